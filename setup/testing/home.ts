import type { InstallRequest } from "../../wire/setup.ts";
import { LocalSetup } from "../setup.ts";

/** A home folder, and a file that can be installed there. */
export class Home implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "pmz-home-" });
  readonly own = `${this.path}/download`;
  readonly env: Record<string, string>;

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.env = { HOME: this.path, ...env };
    this.download("pmz 1");
  }

  /** Another file, as if it had been downloaded. */
  download(content: string): void {
    Deno.writeTextFileSync(this.own, content);
  }

  /** @param manual the text of the manual page */
  setup(manual = ".TH PMZ 1"): LocalSetup {
    const texts = { bash: "complete", zsh: "#compdef", fish: "complete -c", manual };
    return new LocalSetup({
      env: { get: (name) => this.env[name] },
      uid: Deno.uid() ?? -1,
      own: this.own,
      texts: () => Promise.resolve(texts),
    });
  }

  request(more: Partial<InstallRequest> = {}): InstallRequest {
    return { scope: "user", release: "1.0.0", force: false, ...more };
  }

  /** All files and links below the home folder but for the download, with what is in them. */
  files(): Record<string, string> {
    return Object.fromEntries(walk(this.path).filter(([path]) => path !== "/download").sort());
  }

  /** All folders below the home folder. */
  folders(): string[] {
    return foldersIn(this.path).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function walk(root: string, under = ""): [string, string][] {
  return [...Deno.readDirSync(`${root}${under}`)].flatMap(({ name, isDirectory, isSymlink }) => {
    const path = `${under}/${name}`;
    if (isDirectory) return walk(root, path);
    const content = isSymlink ? `-> ${Deno.readLinkSync(root + path)}` : Deno.readTextFileSync(root + path);
    return [[path, content] as [string, string]];
  });
}

function foldersIn(root: string, under = ""): string[] {
  return [...Deno.readDirSync(`${root}${under}`)].filter(({ isDirectory }) => isDirectory).flatMap((
    { name },
  ) => [
    `${under}/${name}`,
    ...foldersIn(root, `${under}/${name}`),
  ]);
}
