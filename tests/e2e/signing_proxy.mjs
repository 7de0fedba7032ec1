// A proxy that signs people in itself, for the end-to-end tests: /as/NAME makes the browser NAME's, and with each request
// it tells the server behind it so, in a header that it takes away from what browsers send.
import http from 'node:http';

const [port, behind, from] = process.argv.slice(2);
const header = 'x-forwarded-user';

function passedOn(request) {
  const headers = { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress, 'x-forwarded-proto': 'http' };
  delete headers[header];
  const name = /(?:^|; )proxy_knows=([^;]+)/.exec(request.headers.cookie ?? '');
  if (name) headers[header] = decodeURIComponent(name[1]);
  return { host: '127.0.0.1', port: behind, localAddress: from, path: request.url, method: request.method, headers };
}

const server = http.createServer((request, answer) => {
  if (request.url.startsWith('/as/')) {
    const name = request.url.slice(4);
    answer.writeHead(302, { location: '/', 'set-cookie': `proxy_knows=${name}; Path=/; Max-Age=${name ? 600 : 0}` });
    return answer.end();
  }
  request.pipe(http.request(passedOn(request), (told) => {
    answer.writeHead(told.statusCode, told.headers);
    told.pipe(answer);
  }).on('error', () => answer.destroy()));
});
server.on('upgrade', (request, socket) => {
  http.request(passedOn(request)).on('upgrade', (told, there) => {
    const lines = Object.entries(told.headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`);
    there.pipe(socket).on('error', () => there.destroy());
    socket.pipe(there).on('error', () => socket.destroy());
  }).on('response', () => socket.destroy()).on('error', () => socket.destroy()).end();
});
server.listen(Number(port), '127.0.0.1');
