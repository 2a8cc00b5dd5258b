/**
 * The pages that people read say what is: each command in them is understood by the real grammar, each file, verb and
 * constant that they name is there, each link leads somewhere.
 */
import assert from "node:assert/strict";
import { parse } from "../cli/parse.ts";
import { commands } from "../cli/grammar.ts";

const root = new URL("../", import.meta.url);

/** A page, by its path from the root. */
interface Page {
  readonly path: string;
  readonly text: string;
}

const pages: readonly Page[] = [
  ...["README.md", "tests/cluster/README.md"],
  ...[...Deno.readDirSync(new URL("docs/", root))]
    .filter(({ name }) => name.endsWith(".md")).map(({ name }) => `docs/${name}`),
].map((path) => ({ path, text: Deno.readTextFileSync(new URL(path, root)) }));

/** The lines between fences that say `language`. */
function fenced(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .flatMap(([, of, lines = ""]) => of === language ? lines.split("\n") : []);
}

/** What stands between backticks in running text. */
function inline(text: string): string[] {
  const prose = text.replace(/^```.*?^```$/gms, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}

/** The words of a shell's line, up to its comment, pipe or next command. */
function words(line: string): string[] {
  const [command = ""] = line.split(/\s#\s|\s[|;&>]/);
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? "");
}

/** The arguments of `pmz` in a line, if it is one. */
function argumentsOfPmz(line: string): string[] | undefined {
  const [program, ...args] = words(line.replace(/^\s*\$ /, "").trim());
  return program === "pmz" ? args : undefined;
}

/** Stands for what a reader fills in: no argument of a command. */
const placeholder = /\b[A-Z]{2,}\b|\.\.\.|…/;

/** Whether a command is only spoken of: its name, or that of its group, or of pmz itself. */
function isMention(args: readonly string[]): boolean {
  const said = args.join(" ");
  return commands.some(({ words }) => `${words} `.startsWith(said === "" ? "" : `${said} `));
}

/** Not commands of people: root's part and the daemon are started by pmz itself. */
const roles = new Set(["helper", "daemon"]);

function understands(args: readonly string[]): void {
  const invocation = parse(args, {
    release: "0",
    stdout: { write() {}, columns: () => 100, isTerminal: false },
  });
  const answersItself = args.length === 0 || args.includes("--help") || args[0] === "completion" ||
    args[0] === "--version";
  assert.ok(invocation !== undefined || answersItself, "nothing would be done");
}

for (const { path, text } of pages) {
  Deno.test(`every command in ${path} is understood`, () => {
    const shown = fenced(text, "sh").flatMap((line) => argumentsOfPmz(line) ? [line] : []);
    const named = inline(text).filter((code) => {
      const args = argumentsOfPmz(code);
      return args !== undefined && !placeholder.test(code) && !isMention(args);
    });
    for (const line of [...shown, ...named]) {
      const args = argumentsOfPmz(line) ?? [];
      if (roles.has(args[0] ?? "")) continue;
      try {
        understands(args);
      } catch (cause) {
        throw new Error(`${path}: ${line}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }
  });

  Deno.test(`every verb of dev in ${path} is one`, () => {
    const verbs = Deno.readTextFileSync(new URL("tools/verbs.sh", root));
    for (const [, verb] of text.matchAll(/\.\/dev ([a-z]+)/g)) {
      assert.ok(verbs.includes(`verb_${verb}()`), `${path}: ./dev ${verb}`);
    }
  });

  Deno.test(`every file and link in ${path} is there`, () => {
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const url = new URL(file || path.split("/").at(-1) || "", new URL(path, root));
      assert.ok(exists(url), `${path} links to ${target}`);
      if (anchor !== undefined) assert.ok(anchors(url).has(anchor), `${path} links to ${target}`);
    }
    for (const code of inline(text)) {
      if (isPath(code)) assert.ok(exists(new URL(code, root)), `${path} names ${code}`);
    }
  });
}

Deno.test("every constant in docs/architecture.md has the value that the code has", () => {
  const rows = section("docs/architecture.md", "Limits").split("\n").filter((line) => line.startsWith("| "));
  const stated = rows.flatMap((row) => {
    const codes = inline(row);
    const file = codes.find(isPath);
    return file === undefined ? [] : codes.filter((code) => code !== file).map((code) => ({ file, code }));
  });
  assert.ok(stated.length > 30, "the table is there");
  for (const { file, code } of stated) {
    const source = Deno.readTextFileSync(new URL(file, root)).replace(/\s+/g, " ");
    assert.ok(source.includes(code), `${file} says otherwise than ${code}`);
  }
});

Deno.test("every sum of file descriptors in docs/architecture.md is that of the code's constants", () => {
  const rows = section("docs/architecture.md", "File descriptors").split("\n").filter((line) =>
    line.includes(" = ")
  );
  assert.equal(rows.length, 5, "the table is there");
  for (const row of rows) {
    const codes = inline(row);
    const sources = codes.filter(isPath).map((file) => Deno.readTextFileSync(new URL(file, root)));
    const [sum = "", stated] = codes.find((code) => code.includes(" = "))?.split(" = ") ?? [];
    const factor = (name: string) => Number(/^\d+$/.test(name) ? name : valueIn(sources, name));
    const found = sum.split(" + ").map((term) => term.split(" * ").map(factor).reduce((a, b) => a * b))
      .reduce((a, b) => a + b);
    assert.equal(number(stated ?? ""), found, sum);
    assert.ok(found < 524_288, "systemd gives a service no more by default");
  }
});

/** The value of a constant, or of an entry of a constant object ("NAME = 512", "name: 1_024"), in the first source that has it. */
function valueIn(sources: readonly string[], name: string): number {
  const value = new RegExp(`\\b${name}(?: =|:) ([0-9_]+)`);
  const [found] = sources.flatMap((source) => value.exec(source)?.[1] ?? []);
  assert.ok(found, `${name} has a value`);
  return number(found);
}

function number(text: string): number {
  return Number(text.replaceAll("_", ""));
}

Deno.test("every test that docs/security.md names as a proof is there, by its name", () => {
  let proofs = 0;
  for (
    const [, file = "", names = ""] of pageText("docs/security.md").matchAll(
      /`([\w/.]+_test\.ts)`: ("[^"]+"(?:, "[^"]+")*)/g,
    )
  ) {
    const source = Deno.readTextFileSync(new URL(file, root));
    for (const [, name = ""] of names.matchAll(/"([^"]+)"/g)) {
      assert.ok(source.includes(name), `${file} has no "${name}"`);
      proofs++;
    }
  }
  assert.ok(proofs > 30, "the tables are there");
});

Deno.test("every message in docs/troubleshooting.md is one of the code's", async () => {
  const sources = await Array.fromAsync(sourceTexts());
  const rows = pageText("docs/troubleshooting.md").split(/^\| it says \|.*$/m).slice(1)
    .flatMap((table) => table.split("\n## ")[0]?.split("\n") ?? []).filter((line) => /^\| .*`/.test(line));
  assert.ok(rows.length > 20, "the tables are there");
  for (const row of rows) {
    const [said = ""] = inline(row);
    for (const part of said.split("...").map((text) => text.trim()).filter((text) => text.length > 3)) {
      assert.ok(sources.some((text) => text.includes(part)), `nothing says "${part}"`);
    }
  }
});

/** The texts of the modules that speak to people. */
async function* sourceTexts(): AsyncGenerator<string> {
  for (const room of ["checks", "cli", "daemon", "helper", "kube", "agent", "install", "wire"]) {
    yield* textsIn(new URL(`${room}/`, root));
  }
}

async function* textsIn(folder: URL): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory && name !== "testing") yield* textsIn(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts") && !/(_test|testing\w*)\.ts$/.test(name)) {
      yield await Deno.readTextFile(new URL(name, folder));
    }
  }
}

function pageText(path: string): string {
  const page = pages.find((page) => page.path === path);
  assert.ok(page, `${path} is there`);
  return page.text;
}

/** What stands below a heading, up to the next. */
function section(path: string, title: string): string {
  const [, text] = pageText(path).split(new RegExp(`^## ${title}$`, "m"));
  assert.ok(text, `${path} has a section ${title}`);
  return text.split(/^## /m)[0] ?? "";
}

/** A path of this repository: a file, or a folder with its slash. */
function isPath(code: string): boolean {
  return !/\b[A-Z]{2,}\/|\*/.test(code) &&
    /^(agent|async|bpf|build|checks|cli|daemon|dataplane|dns|docs|ffi|hbone|helper|http|install|kube|names|net|tests|threads|tools|wire|\.ci)\/[\w./-]*$/
      .test(code) &&
    /(\.\w+|\/)$/.test(code);
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The anchors that a page's headings have, as GitHub makes them. */
function anchors(url: URL): Set<string> {
  const headings = Deno.readTextFileSync(url).matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}
