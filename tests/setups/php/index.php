<?php
// What the site answers: its release, by a file that PHP includes.
echo (require __DIR__ . "/revision.php"), " ", getmypid(), "\n";
