import type { Laptop, Person } from "./laptop.ts";
import type { Running } from "./running.ts";

/** A program on a laptop at 8443 that speaks HTTP over TLS, with a certificate of its own, and answers with its name. */
export async function tlsServer(laptop: Laptop, person: Person, as: string, port = 8443): Promise<Running> {
  const program = `
import http.server, os, ssl, subprocess, tempfile
os.chdir(tempfile.mkdtemp())
subprocess.run("openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=laptop".split(), check=True, capture_output=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'${as}')
server = http.server.ThreadingHTTPServer(("127.0.0.1", ${port}), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain("cert", "key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()`;
  const running = laptop.spawn(person, ["python3", "-c", program]);
  await running.says(/ready/);
  return running;
}
