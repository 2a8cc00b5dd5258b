/** A folder of a test's own, with the files that it writes there. */
export class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "pmz-checks-" });

  /** Writes a file, and answers its path; folders on the way are made. */
  write(name: string, text: string): string {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
