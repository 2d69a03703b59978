// The front end: one page, and everything under /api/ passed on to the back end. Nothing but node.

import http from "node:http";

const port = Number(process.env.PORT ?? 8182);
const backend = process.env.BACKEND ?? "http://127.0.0.1:8181";

// Change this text and run `bpm restart frontend`.
const page = `<!doctype html>
<meta charset="utf-8">
<title>web-npm</title>
<h1>Front end, version 1</h1>
<p>The back end says: <output id="answer">…</output></p>
<script type="module">
  const response = await fetch("/api/greeting");
  document.getElementById("answer").textContent = await response.text();
</script>
`;

function passOn(request, response) {
  const target = new URL(request.url, backend);
  const onward = http.request(target, { method: request.method }, (answer) => {
    response.writeHead(answer.statusCode, { "content-type": answer.headers["content-type"] ?? "text/plain" });
    answer.pipe(response);
  });
  onward.on("error", (error) => {
    console.error(`the back end at ${backend} does not answer: ${error.code}`);
    response.writeHead(502, { "content-type": "text/plain" });
    response.end("the back end does not answer\n");
  });
  request.pipe(onward);
}

const server = http.createServer((request, response) => {
  response.on("finish", () => console.log(`${request.method} ${request.url} ${response.statusCode}`));
  if (request.url.startsWith("/api/")) return passOn(request, response);
  const found = request.url === "/";
  response.writeHead(found ? 200 : 404, { "content-type": found ? "text/html" : "text/plain" });
  response.end(found ? page : "nothing here\n");
});

server.on("error", (error) => {
  console.error(`cannot serve on port ${port}: ${error.code}`);
  process.exit(1);
});
server.listen(port, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${port} (pid ${process.pid})`));

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    console.log(`${signal}: finishing what is in flight`);
    server.close(() => process.exit(0));
  });
}
