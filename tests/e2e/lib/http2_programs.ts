/** HTTP/2 programs that nobody here wrote, from Debian, PyPI and npm, in a folder that everyone on the machine may read. */
import { output } from "./command.ts";

const GRPCIO = "grpcio==1.85.3";
const GRPC_JS = "npm:@grpc/grpc-js@1.14.0";
/** The versions are in the name: another one is another folder. */
const PACKAGES = `/opt/pmz-tests/${GRPCIO}`;
const HERE = new URL("grpc/", import.meta.url).pathname;
const SCRIPTS = "/opt/pmz-tests/scripts";

export interface Http2Programs {
  /** grpcio: `server NAME PORT`, `client TARGET AUTHORITY USER...`, `hold TARGET USER`. */
  readonly grpcio: readonly string[];
  /** grpc-js by Deno: `TARGET AUTHORITY USER...`. */
  readonly grpcJs: readonly string[];
  /** nghttpd, which serves a file `who` with that content, without TLS. */
  nghttpd(who: string, port: number): Promise<readonly string[]>;
}

/** Gets what isn't there yet. */
export async function http2Programs(): Promise<Http2Programs> {
  await Deno.mkdir(SCRIPTS, { recursive: true });
  for (const file of ["peer.py", "client.mjs"]) await Deno.copyFile(`${HERE}${file}`, `${SCRIPTS}/${file}`);
  try {
    await Deno.stat(`${PACKAGES}/grpc`);
  } catch {
    await output(["/usr/bin/python3", "-m", "pip", "install", "-q", "--target", PACKAGES, GRPCIO], {
      timeout: 180_000,
    });
  }
  const deno = [Deno.execPath(), "run", "-A", "-q", "--no-lock", "--no-config"];
  await output([Deno.execPath(), "cache", "-q", "--no-lock", "--no-config", GRPC_JS], { timeout: 180_000 });
  return {
    grpcio: ["env", `PYTHONPATH=${PACKAGES}`, "/usr/bin/python3", `${SCRIPTS}/peer.py`],
    grpcJs: ["env", "HOME=/root", ...deno, `${SCRIPTS}/client.mjs`, GRPC_JS],
    async nghttpd(who, port) {
      const folder = `/opt/pmz-tests/www-${who}`;
      await Deno.mkdir(folder, { recursive: true });
      await Deno.writeTextFile(`${folder}/who`, `${who}\n`);
      return [
        "/usr/sbin/nghttpd",
        "--no-tls",
        "-v",
        "-d",
        folder,
        "--trailer=x-served-by: nghttpd",
        String(port),
      ];
    },
  };
}
