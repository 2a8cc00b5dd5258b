import assert from "node:assert/strict";
import { commands } from "./grammar.ts";
import { manualPage } from "./manual_page.ts";

const page = manualPage("1.2.3");

/** The page as it is shown, but for its macros. */
const shown = page.replaceAll("\\-", "-").replaceAll("\\(aq", "'").replaceAll("\\(ti", "~").replaceAll(
  "\\(dq",
  '"',
);

Deno.test("the manual page has each command with its examples, the exit codes and the settings", () => {
  for (const { words, examples } of commands) {
    assert.ok(shown.includes(`\n.SS "pmz ${words}"\n`), words);
    for (const [line] of examples) assert.ok(shown.includes(`\n.B ${line}\n`), line);
  }
  for (const said of ["--header NAME=VALUE", "PMZ_CONTEXT", "pmz 1.2.3"]) {
    assert.ok(shown.includes(said), said);
  }
  assert.match(shown, /\n\.TP\n\.B 130\nCtrl-C\n/);
});

Deno.test("no line of the manual page is a request by mistake, or empty", () => {
  for (const line of page.trimEnd().split("\n")) {
    assert.match(line, /^(\.(TH|SH|SS|TP|PP|br|nh|ad|B|BR)\b|\\&\.|[^.'\s])/, JSON.stringify(line));
  }
});

Deno.test({
  name: "groff has nothing to say about the manual page, and shows its lines",
  ignore: !await hasGroff(),
  fn: async () => {
    const child = new Deno.Command("groff", {
      args: ["-man", "-ww", "-Tutf8", "-rLL=100n", "-P-cbu"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(page));
    await writer.close();
    const { stdout, stderr } = await child.output();
    assert.equal(new TextDecoder().decode(stderr), "");
    const shown = new TextDecoder().decode(stdout);
    assert.match(shown, /pmz intercept SERVICE\[\.NS\] LOCAL\[:PORT\] \[options\]/);
    assert.match(shown, /pmz intercept echo 127\.0\.0\.1:8081:http\n +the port named http/);
  },
});

async function hasGroff(): Promise<boolean> {
  try {
    return (await new Deno.Command("groff", { args: ["--version"], stdout: "null" }).output()).success;
  } catch {
    return false;
  }
}
