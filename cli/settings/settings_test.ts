import assert from "node:assert/strict";
import fc from "fast-check";
import { CliFailure } from "../failure.ts";
import { configPath, readSettings } from "./settings.ts";
import { settings } from "./table.ts";

const read = (text: string | undefined, env: Record<string, string> = {}) =>
  readSettings({
    env: { get: (name) => ({ HOME: "/home/jo", ...env })[name] },
    readText: () => Promise.resolve(text),
  });

async function wrong(text: string, env?: Record<string, string>): Promise<string> {
  try {
    await read(text, env);
  } catch (error) {
    if (error instanceof CliFailure && error.failure.code === "usage") return error.message;
    throw error;
  }
  assert.fail("it is valid");
}

const FILE = `# of jo
context: dev
namespace: shop

names:
  shop.example: echo.shop
  "*.api.example": api
acceptRanges: [10.96.0.0/12, "10.200.0.0/16"]
neverRanges:
  - 10.20.0.0/16
also: root
protect: ["*prod*"]
agent:
  baseImage: registry.example/denoland/deno:2.9.6
  allowRanges: 10.1.0.0/16
`;

Deno.test("each setting of the file is read, with its line", async () => {
  const { context, namespace, names, accepted, never, protect, baseImage, agentImage, allowRanges, shown } =
    await read(FILE);
  assert.deepEqual({
    context,
    namespace,
    names,
    accepted,
    never,
    protect,
    baseImage,
    agentImage,
    allowRanges,
  }, {
    context: "dev",
    namespace: "shop",
    names: [
      { domain: "shop.example", service: { service: "echo", namespace: "shop" } },
      { domain: "*.api.example", service: { service: "api" } },
    ],
    accepted: ["10.96.0.0/12", "10.200.0.0/16"],
    never: ["10.20.0.0/16"],
    protect: ["*prod*"],
    baseImage: "registry.example/denoland/deno:2.9.6",
    agentImage: undefined,
    allowRanges: ["10.1.0.0/16"],
  });
  const path = "/home/jo/.config/pmz/config.yaml";
  assert.deepEqual(shown.map(({ key, from }) => [key, from.replace(path, "")]), [
    ["context", ":2"],
    ["namespace", ":3"],
    ["names", ":5"],
    ["acceptRanges", ":8"],
    ["neverRanges", ":9"],
    ["also", ":11"],
    ["protect", ":12"],
    ["agent.baseImage", ":14"],
    ["agent.image", "default"],
    ["agent.allowRanges", ":15"],
  ]);
});

Deno.test("a variable comes before the file, and an empty one counts as unset", async () => {
  const { context, accepted, names, protect, shown } = await read(FILE, {
    PMZ_CONTEXT: "staging",
    PMZ_ACCEPT_RANGES: "10.1.0.0/16, 10.2.0.0/16,",
    PMZ_NAMES: "a.example=a.b",
    PMZ_PROTECT: " ",
  });
  assert.deepEqual([context, accepted, protect], ["staging", ["10.1.0.0/16", "10.2.0.0/16"], ["*prod*"]]);
  assert.deepEqual(names, [{ domain: "a.example", service: { service: "a", namespace: "b" } }]);
  assert.equal(shown[0]?.from, "PMZ_CONTEXT");
});

Deno.test("without a file, with an empty one and without a home folder the defaults hold", async () => {
  for (const text of [undefined, "", "# nothing\n", "---\n", "{}"]) {
    const { shown, context } = await read(text);
    assert.equal(context, undefined);
    assert.ok(shown.every(({ from, value }) => from === "default" && value === undefined), `${text}`);
  }
  assert.equal(configPath({ get: () => undefined }), undefined);
  assert.equal(
    configPath({ get: (name) => name === "XDG_CONFIG_HOME" ? "/etc/jo" : "/home/jo" }),
    "/etc/jo/pmz/config.yaml",
  );
});

Deno.test("what is wrong is said with its line, and the near name", async () => {
  const cases: [text: string, says: RegExp][] = [
    ["# a\ncontxt: dev\n", /config\.yaml:2: contxt is not a setting: did you mean context\?$/],
    ["agent:\n  baseimage: x\n", /:2: agent\.baseimage is not a setting: did you mean agent\.baseImage\?$/],
    ["baseImage: x\n", /:1: baseImage is not a setting: did you mean agent\.baseImage\?$/],
    ["zzzzzzzz: x\n", /:1: zzzzzzzz is not a setting: expected context, namespace, names, /],
    ["context: a\ncontext: b\n", /:2: context stands here twice: first in line 1$/],
    ["context: [a]\n", /:1: context is not valid: expected one value$/],
    ["namespace: No_Name\n", /:1: namespace: "No_Name" is not a valid namespace: expected lower-case/],
    ["acceptRanges:\n- 10.0.0.0/8\n- ten\n", /:3: acceptRanges: "ten" is not a valid range of addresses/],
    ["names:\n  a.example: b\n  not a name: c\n", /:3: names: "not a name" is not a valid domain name/],
    ["names: [a]\n", /:1: names is not valid: expected a mapping/],
    ["agent: 1\n", /:1: agent has to be a mapping/],
    ["- a\n", /:1: the file has to be a mapping/],
    ["context: 'a\n", /:\d: this is not valid YAML: /],
    ["context: &a dev\n", /:1: anchors and tags are not supported/],
    ["protect: *a\n", /:1: /],
    ["context: a\n---\ncontext: b\n", /: expected one document$/],
    ["a: {b: {c: {d: {e: {f: {g: {h: {i: {j: 1}}}}}}}}}", /:1: /],
  ];
  for (const [text, says] of cases) assert.match(await wrong(text), says, text);
  assert.match(await wrong("", { PMZ_NAMESPACE: "No" }), /^PMZ_NAMESPACE: "No" is not a valid namespace/);
});

Deno.test("a file that can't be read is named", async () => {
  const sources = {
    env: { get: () => "/home/jo" },
    readText: () => Promise.reject(new Error("permission denied")),
  };
  await assert.rejects(readSettings(sources), /config\.yaml can't be read: permission denied/);
});

Deno.test("any file is valid, or wrong in one of its lines", async () => {
  const word = fc.constantFrom(
    "context",
    "names",
    "agent",
    ":",
    " ",
    "\n",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "!!x",
    "'",
    '"',
    "|",
    "#",
    "a",
  );
  await fc.assert(fc.asyncProperty(fc.oneof(fc.array(word), fc.array(fc.string())), async (words) => {
    const text = words.join("");
    const said = await read(text).then(() => "", (error: unknown) => {
      if (error instanceof CliFailure && error.failure.code === "usage") return error.message;
      throw error;
    });
    const line = Number(/^\S+config\.yaml:(\d+): /.exec(said)?.[1] ?? 1);
    assert.ok(line >= 1 && line <= text.split(/\r\n|\n|\r/).length + 1, said);
  }));
});

Deno.test("what a setting is formatted as can be read again", () => {
  const examples: Record<string, readonly string[]> = {
    names: ["shop.example=echo.shop"],
    protect: ["*prod*"],
    also: ["root", "www-data"],
    context: ["dev"],
    namespace: ["shop"],
    baseImage: ["a:1"],
    agentImage: ["a:1"],
  };
  for (const [name, setting] of Object.entries(settings)) {
    const texts = examples[name] ?? ["10.0.0.0/8", "fd00::/8"];
    assert.deepEqual(setting.format(setting.parse(texts) as never), texts, name);
  }
});
