/** A SOCKS client that nobody here wrote, from PyPI, in a folder that everyone on the machine may read. */
import { output } from "./command.ts";
import type { Pmz } from "./pmz.ts";

const PYSOCKS = "PySocks==1.7.1";
/** The version is in the name: another one is another folder. */
const PACKAGES = `/opt/pmz-tests/${PYSOCKS}`;
const SCRIPT = await Deno.readTextFile(new URL("./socks_dns.py", import.meta.url));

/** Gets PySocks if it isn't there yet. */
export async function getPySocks(): Promise<void> {
  try {
    await Deno.stat(`${PACKAGES}/socks.py`);
  } catch {
    const install = ["/usr/bin/python3", "-m", "pip", "install", "-q", "--target", PACKAGES, PYSOCKS];
    await output(install, { timeout: 180_000 });
  }
}

/** What a nameserver has answered by UDP: who it was, as the client saw it, and the addresses. */
export interface SocksAnswer {
  readonly from: readonly [host: string, port: number];
  readonly addresses: readonly string[];
}

/** Asks a nameserver for a name by UDP through a SOCKS5 proxy. Fails where no answer comes. */
export async function askThroughSocks(
  { laptop, person }: Pmz,
  to: { readonly proxy: string; readonly server: string; readonly name: string },
): Promise<SocksAnswer> {
  const command = [
    "env",
    `PYTHONPATH=${PACKAGES}`,
    "/usr/bin/python3",
    "-c",
    SCRIPT,
    to.proxy,
    to.server,
    to.name,
  ];
  return JSON.parse(await laptop.output(person, command, { timeout: 30_000 })) as SocksAnswer;
}
