-- What a step read from and wrote to block devices, in bytes; NULL where nothing counted it.
ALTER TABLE step ADD COLUMN io_read INTEGER;
ALTER TABLE step ADD COLUMN io_written INTEGER;
