import { type Ended, output, type RunOptions } from "./command.ts";
import { cluster, type Laptop } from "./laptop.ts";
import type { Running } from "./running.ts";

const FOLDER = "/tmp/neighbours";
/** Where every program of glibc looks for nscd. */
const NSCD = "/run/nscd";

/**
 * Real programs of Debian on a laptop, as root. They have a root folder of their own, where they may write; network, processes
 * and the files that names are looked up by are the laptop's; the whole of its /etc is /laptop/etc there. Disposing of it ends what runs of them.
 */
export class Neighbours implements AsyncDisposable {
  readonly #laptop: Laptop;
  /** Its root folder is what each program gets. */
  readonly #holder: Running;

  private constructor(laptop: Laptop, holder: Running) {
    this.#laptop = laptop;
    this.#holder = holder;
  }

  static async on(laptop: Laptop): Promise<Neighbours> {
    const said = await output([cluster, "neighbours"], { timeout: 5 * 60_000 }); // gets what is missing
    const [, debian = ""] = said.trim().split("\n");
    return await Neighbours.of(laptop, debian);
  }

  /** Programs of another root folder. */
  static async of(laptop: Laptop, debian: string): Promise<Neighbours> {
    const holder = laptop.spawn("root", [
      "unshare",
      "--mount",
      "sh",
      "-ec",
      prepare(debian),
    ]);
    await holder.says(/ready/);
    return new Neighbours(laptop, holder);
  }

  /** Runs one of the programs to its end. */
  run(command: readonly string[]): Promise<Ended> {
    return this.#laptop.run("root", this.#inside(command));
  }

  /** Runs one of the programs as a user of the laptop, which has to succeed; answers its standard output. */
  outputAs(uid: number, command: readonly string[], options: RunOptions = {}): Promise<string> {
    const user = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "env", "HOME=/tmp"];
    return this.#laptop.output("root", this.#inside([...user, ...command]), options);
  }

  /** Runs one of the programs, which has to succeed; answers its standard output. */
  output(...command: string[]): Promise<string> {
    return this.#laptop.output("root", this.#inside(command));
  }

  /** Runs a script of the shell there, which has to succeed. */
  script(text: string): Promise<string> {
    return this.output("sh", "-ec", text);
  }

  /** Starts a bus on which everyone may say everything, for programs that need D-Bus. */
  bus(): Running {
    return this.spawn(
      "sh",
      "-ec",
      `mkdir -p /run/dbus
       cat >/run/dbus.conf <<'END'
       <busconfig>
         <type>system</type>
         <listen>unix:path=/run/dbus/system_bus_socket</listen>
         <policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
       </busconfig>
END
       exec dbus-daemon --config-file=/run/dbus.conf --nofork`,
    );
  }

  /** Starts one of the programs, to stay in the foreground; use it with `await using`. */
  spawn(...command: string[]): Running {
    return this.#laptop.spawn("root", this.#inside(command));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder[Symbol.asyncDispose]();
    await this.#laptop.output("root", ["rm", "-r", FOLDER, NSCD]);
  }

  #inside(command: readonly string[]): string[] {
    return ["nsenter", "--target", String(this.#holder.pid), "--mount", "--root", "--wd", ...command];
  }
}

/** Makes the root folder, in a mount namespace of its own: a real root, for in a `chroot` no user namespace can be made. */
function prepare(debian: string): string {
  const users = ["systemd-resolve:x:991:991::/:/bin/false", "messagebus:x:992:992::/:/bin/false"];
  return `
    mkdir -p ${FOLDER} ${NSCD}
    mount -t tmpfs neighbours ${FOLDER}
    mkdir ${FOLDER}/upper ${FOLDER}/work ${FOLDER}/root
    cd ${FOLDER}/root
    mount -t overlay -o lowerdir=${debian},upperdir=${FOLDER}/upper,workdir=${FOLDER}/work overlay .
    cd ${FOLDER}/root
    for folder in proc sys dev; do mount --rbind "/$folder" "$folder"; done
    mount -t tmpfs -o mode=755 run run
    mkdir -p run/nscd run/user/0
    mount --bind ${NSCD} run/nscd
    for file in resolv.conf hosts nsswitch.conf; do touch "etc/$file"; mount --bind "/etc/$file" "etc/$file"; done
    { cat /etc/passwd; printf '%s\\n' ${users.join(" ")}; } >etc/passwd
    { cat /etc/group; echo systemd-resolve:x:991:; echo messagebus:x:992:; } >etc/group
    mkdir -p laptop/etc
    mount --bind /etc laptop/etc
    mount -t tmpfs -o mode=755 tun dev/net # the machine's own is for root only
    mknod -m 666 dev/net/tun c 10 200
    mkdir -p outside
    pivot_root . outside
    umount -l /outside
    echo ready
    exec sleep infinity`;
}
