import assert from "node:assert/strict";

const module = new URL("./inherited_descriptors.ts", import.meta.url).href;

/** What a child of a Deno that was started with descriptor 9 has as descriptor 9. */
async function nineOfChild(before: string): Promise<string> {
  const script = `${before}
    const { stdout } = await new Deno.Command("sh", { args: ["-c", "readlink /proc/self/fd/9 || echo none"] }).output();
    await Deno.stdout.write(stdout);`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, script);
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: [
        "-c",
        'exec 9>/dev/null; exec "$@"',
        "bash",
        Deno.execPath(),
        "run",
        "-A",
        "--no-check",
        "--quiet",
        file,
      ],
    }).output();
    return new TextDecoder().decode(stdout).trim() + new TextDecoder().decode(stderr).trim();
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("a descriptor of the shell's is not handed on once it is kept", async () => {
  assert.equal(await nineOfChild(""), "/dev/null", "Deno hands it on by itself");
  const keep = `const { keepDescriptors } = await import("${module}"); keepDescriptors();`;
  assert.equal(await nineOfChild(keep), "none");
});
