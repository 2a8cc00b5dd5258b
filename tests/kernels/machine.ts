/** A machine with a kernel of its own, by QEMU. It has the file system of this one; what it writes is gone with it. */
import { said } from "./command.ts";
import type { Kernel } from "./debian.ts";

/** Modules that the tests need, in the kernels' own names; one that a kernel has built in, or hasn't at all, is left out. */
const MODULES = [
  ...["virtio_pci", "9pnet_virtio", "9p", "overlay"], // the file system
  ...["tun", "veth", "dummy", "bridge", "tcp_diag", "udp_diag"],
  ...["nf_tables", "nft_compat", "nft_counter", "nft_chain_nat", "nft_nat", "nft_ct", "nft_reject_inet"],
  ...["xt_addrtype", "xt_nat", "xt_tcpudp", "xt_owner", "xt_conntrack", "ipt_REJECT"],
];

const ENDED = "machine: ended with ";

export interface BootOptions {
  /** A script for the machine's /bin/sh, run as root. */
  readonly script: string;
  /** Milliseconds until the machine is ended. */
  readonly limitMs: number;
  /** Called with each line that the machine prints. */
  readonly onLine: (line: string) => void;
}

/** Starts a machine with this kernel, and waits for its end. @returns the script's status; undefined where it didn't end in time */
export async function boot(kernel: Kernel, options: BootOptions): Promise<number | undefined> {
  const folder = await Deno.makeTempDir({ prefix: "pmz-kernel-" });
  try {
    const { script, limitMs, onLine } = options;
    await makeRoot(`${folder}/root`, kernel, script);
    const image = `${folder}/initrd`;
    await said(["sh", "-c", `find . | cpio -o -H newc --quiet | gzip -1 >${image}`], `${folder}/root`);
    await using machine = new Deno.Command("qemu-system-x86_64", {
      args: [
        ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"],
        ...["-nographic", "-no-reboot", "-nic", "none"],
        ...["-kernel", `${kernel.folder}/boot/vmlinuz-${kernel.release}`, "-initrd", image],
        "-virtfs",
        "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        ...["-append", "console=ttyS0 panic=-1 quiet"],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
      signal: AbortSignal.timeout(limitMs),
    }).spawn();
    let status: number | undefined;
    for await (const line of linesOf(machine.stdout)) {
      if (line.includes(ENDED)) status = Number(line.slice(line.indexOf(ENDED) + ENDED.length));
      else onLine(line);
    }
    await machine.status;
    return status;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function* linesOf(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.replace(/\r$/, "");
  }
  yield rest;
}

/** The folder that the machine begins in. */
async function makeRoot(root: string, { release, folder }: Kernel, script: string): Promise<void> {
  for (const each of ["bin", "modules"]) await Deno.mkdir(`${root}/${each}`, { recursive: true });
  await Deno.copyFile("/bin/busybox", `${root}/bin/busybox`);
  await Deno.copyFile(new URL("./init", import.meta.url), `${root}/init`);
  await Deno.chmod(`${root}/init`, 0o755);
  const ending = `echo "${ENDED}$?"\necho o >/proc/sysrq-trigger\nsleep 60\n`;
  await Deno.writeTextFile(`${root}/command`, `(\n${script}\n)\n${ending}`);
  await said(["depmod", "-b", folder, release]);
  const order = new Set<string>();
  for (const module of MODULES) {
    for (const file of await filesOf(module, release, folder)) {
      const name = file.slice(file.lastIndexOf("/") + 1).replace(/\.xz$/, "");
      if (order.has(name)) continue;
      order.add(name);
      const target = `${root}/modules/${name}`;
      if (file.endsWith(".xz")) await said(["sh", "-c", `xz -dc "$1" >"$2"`, "sh", file, target]);
      else await Deno.copyFile(file, target);
    }
  }
  await Deno.writeTextFile(`${root}/modules/order`, [...order, ""].join("\n"));
}

/** The files of a module and of those that it needs, in the order in which they are loaded. */
async function filesOf(module: string, release: string, folder: string): Promise<string[]> {
  const command = ["modprobe", "-d", folder, "-S", release, "--show-depends", module];
  const listed = await said(command).catch(() => ""); // not in this kernel
  return [...listed.matchAll(/^insmod (\S+)/gm)].map(([, file = ""]) => file);
}
