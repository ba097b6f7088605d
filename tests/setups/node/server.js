// What the site answers: its release.
const http = require("http");
const revision = require("fs").readFileSync("REVISION", "utf8").trim();
const server = http.createServer((_, answer) => answer.end(`${revision} ${process.pid}\n`));
server.listen(8000, "127.0.0.1");
