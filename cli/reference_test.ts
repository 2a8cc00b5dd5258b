import assert from "node:assert/strict";
import { commandsPage, exitCodesPage, pmzctlPage } from "./reference.ts";

const docs = new URL("../docs/", import.meta.url);
const REMEDY = "to write it again: deno run -A cli/reference.ts";

Deno.test("docs/commands.md says what --help says", async () => {
  assert.equal(await Deno.readTextFile(new URL("commands.md", docs)), commandsPage(), REMEDY);
});

Deno.test("docs/pmzctl.md says what --help says of the original's words", async () => {
  assert.equal(await Deno.readTextFile(new URL("pmzctl.md", docs)), pmzctlPage(), REMEDY);
});

Deno.test("docs/exit-codes.md has the table of failures", async () => {
  assert.equal(await Deno.readTextFile(new URL("exit-codes.md", docs)), exitCodesPage(), REMEDY);
});

const items = {
  ServiceList: ["wire/control/answers.ts", "ServiceEntry"],
  NameList: ["wire/control/answers.ts", "NameEntry"],
  InterceptList: ["wire/control/answers.ts", "InterceptEntry"],
  UpList: ["wire/control/answers.ts", "UpResult"],
  AgentComponentList: ["wire/installer.ts", "AgentComponent"],
  FlowList: ["wire/flow.ts", "Flow"],
} as const;

for (const [kind, [file, type]] of Object.entries(items)) {
  Deno.test(`docs/commands.md names each field of the items of ${kind}`, async () => {
    const root = new URL("../", import.meta.url);
    const source = await Deno.readTextFile(new URL(file, root));
    const [, body = ""] = new RegExp(`export interface ${type} \\{\\n(.*?)\\n\\}`, "s").exec(source) ?? [];
    const fields = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name);
    assert.ok(fields.length > 3, `${file} has ${type}`);
    const page = await Deno.readTextFile(new URL("docs/commands.md", root));
    const row = page.split("\n").find((line) => line.split(" | ")[1] === kind) ?? "";
    assert.deepEqual(fields.filter((name) => !new RegExp(`\\b${name}\\b`).test(row)), [], row);
  });
}
