import assert from "node:assert/strict";
import { parse } from "./parse.ts";
import { commands, originals } from "./grammar.ts";
import { commandModules, knownCommand } from "./known_command.ts";
import { RESERVED } from "./values.ts";

const nowhere = {
  release: "0.1.0",
  stdout: { isTerminal: false, columns: () => undefined, write: () => {} },
};

/** A line as a shell splits it, with double quotes. */
function split(line: string): string[] {
  const words = (line.match(/"[^"]*"|[^ ]+/g) ?? []).map((word) => word.replace(/^"|"$/g, ""));
  assert.equal(words.shift(), "pmz");
  return words;
}

/** The command that a line means, and those of its options that say something. */
function understood(line: string): Record<string, unknown> {
  const invocation = parse(split(line), nowhere);
  assert.ok(invocation, line);
  const options = Object.entries(invocation.options as Record<string, unknown>).filter(([, value]) =>
    value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
  );
  return { words: invocation.words, ...Object.fromEntries(options) };
}

Deno.test("every example that --help shows is understood, as the command whose help it is", () => {
  let examples = 0;
  for (const { words, examples: shown } of [...commands, ...originals]) {
    assert.notEqual(shown.length, 0, words);
    for (const [line] of shown) {
      const { words: meant } = understood(line);
      const same = { connect: "up", disconnect: "down", stop: "down" }[words] ?? words;
      assert.equal(meant, same, line);
      examples++;
    }
  }
  assert.ok(examples > 40);
});

Deno.test("each command of one word is found without the others, and understands a line as the whole grammar does", async () => {
  const single = commands.filter(({ words }) => !words.includes(" "));
  assert.deepEqual(Object.keys(commandModules).toSorted(), single.map(({ words }) => words).toSorted());
  for (const { words, examples } of single) {
    for (const [line] of examples) {
      const { run: _, ...alone } = await knownCommand(split(line)) ?? assert.fail(line);
      const { run: __, ...whole } = parse(split(line), nowhere) ?? assert.fail(line);
      assert.deepEqual(alone, whole, line);
    }
    for (const mistake of ["--help", "--nosuch", "-o=yaml"]) {
      assert.equal(await knownCommand([words, mistake]), undefined, `${words} ${mistake}`);
    }
  }
  for (
    const line of [[], ["completion", "bash"], ["--version"], ["nosuch"], ["toString"], ["intercept", "list"]]
  ) {
    assert.equal(await knownCommand(line), undefined);
  }
});

Deno.test("the words that no intercepted Service is called by are the commands behind `pmz intercept`, all of them", () => {
  const behind = [...commands, ...originals].map(({ words }) => words.split(" "))
    .flatMap(([first, second]) => first === "intercept" && second !== undefined ? [second] : []);
  assert.deepEqual([...RESERVED].sort(), behind.sort());
});

Deno.test("every command has help that shows its examples", () => {
  for (const { words, examples } of [...commands, ...originals]) {
    let help = "";
    const stdout = { ...nowhere.stdout, write: (text: string) => void (help += text) };
    assert.equal(parse([...words.split(" "), "--help"], { ...nowhere, stdout }), undefined);
    assert.match(help, new RegExp(`Usage: pmz ${words}`));
    for (const [line] of examples) assert.ok(help.includes(`  ${line}`), `${words}: ${line}`);
  }
});

/** What `pmz ARGUMENTS --help` shows. */
function helpOf(...words: string[]): string {
  let help = "";
  const stdout = { ...nowhere.stdout, write: (text: string) => void (help += text) };
  parse([...words, "--help"], { ...nowhere, stdout });
  return help;
}

Deno.test("what a command does begins with a verb, and has at most eight words", () => {
  for (const { words, brief } of [...commands, ...originals]) {
    assert.ok(brief.split(" ").length <= 8, `${words}: ${brief}`);
    assert.match(
      brief,
      /^(Add|Allow|Answer|Check|Collect|Connect|Disconnect|End|Explain|Give|Install|List|Print|Remove|Run|Show|Start) [^.;:]+$/,
      words,
    );
  }
});

Deno.test("the words of pmzctl are in no list of commands, and explained where they are asked for", () => {
  const lists = [helpOf(), helpOf("intercept"), helpOf("dns", "add"), helpOf("dns", "remove")].join();
  assert.doesNotMatch(lists, /pmzctl|disconnect|--service|^ +(stop|connect|add|delete) /m);
  for (const { words } of originals) assert.match(helpOf(...words.split(" ")), /the same as|ignored/, words);
});

Deno.test("what people type who know kubectl or Telepresence is answered with what to type here", () => {
  const rows = [
    ["pmz up staging", /"staging" is not/, "to name a context: pmz up --context staging"],
    ["pmz down staging -o json", /"staging" is not/, "to name a context: pmz down --context staging -o json"],
    ["pmz status --json", /expected -o json/, "pmz status -o json"],
    ["pmz agent install", /expected deploy/, "pmz agent deploy"],
    [
      "pmz intercept svc/echo 8081",
      /"svc\/echo" is not a valid Service name: write echo$/,
      "pmz intercept --help",
    ],
    [
      "pmz intercept deployment/web 8081",
      /expected the name of a Service that leads to its pods$/,
      "pmz intercept --help",
    ],
    ["pmz intercept a/b/c 8081", /expected one such as echo or echo\.default$/, "pmz intercept --help"],
  ] as const;
  for (const [line, said, hint] of rows) {
    assert.throws(
      () => understood(line),
      ({ message, failure }) => {
        assert.match(message, said, line);
        assert.equal(failure.hint, hint, line);
        return true;
      },
    );
  }
});

Deno.test("words of other tools are told what pmz has for them", () => {
  assert.throws(() => understood("pmz quit"), {
    message: '"pmz quit" is not a valid command: expected down',
    failure: { code: "usage", message: '"pmz quit" is not a valid command: expected down', hint: "pmz down" },
  });
});

Deno.test("up takes contexts, a namespace, a proxy with or without its port, and images", () => {
  assert.deepEqual(understood("pmz up"), { words: "up" });
  assert.deepEqual(understood("pmz up --context a --context=b -n shop"), {
    words: "up",
    contexts: ["a", "b"],
    namespace: "shop",
  });
  assert.deepEqual(understood("pmz up --proxy --yes"), { words: "up", proxy: true, yes: true });
  assert.deepEqual(understood("pmz up --proxy=1090"), { words: "up", proxy: 1090 });
  assert.deepEqual(understood("pmz up --base-image b --agent-image a"), {
    words: "up",
    baseImage: "b",
    agentImage: "a",
  });
});

Deno.test("an intercept has the same meaning in our words and in the original's", () => {
  const meant = {
    service: { service: "echo", namespace: "shop" },
    local: { host: "localhost", local: 8081, port: "80" },
  };
  assert.deepEqual(understood("pmz intercept echo.shop 8081:80"), { words: "intercept", ...meant });
  assert.deepEqual(understood("pmz intercept add -s echo.shop -p 8081:80"), {
    words: "intercept add",
    ...meant,
  });
  const apart = { ...meant, service: { service: "echo" }, namespace: "shop" };
  assert.deepEqual(understood("pmz intercept echo 8081:80 -n shop"), { words: "intercept", ...apart });
  assert.deepEqual(understood("pmz intercept add --service echo --namespace shop --port 8081:80"), {
    words: "intercept add",
    ...apart,
  });
});

Deno.test("intercept list is the list, and a Service called list needs its namespace", () => {
  assert.equal(understood("pmz intercept list").words, "intercept list");
  assert.deepEqual(understood("pmz intercept list.default 8081").service, {
    service: "list",
    namespace: "default",
  });
  assert.throws(() => understood("pmz intercept list 8081"), /pmz intercept list\.default 8081/);
});

Deno.test("-o takes its format as kubectl's does", () => {
  for (const line of ["pmz status -ojson", "pmz status -o=json", "pmz status -o json"]) {
    assert.equal(parse(split(line), nowhere)?.look.output, "json", line);
  }
});

Deno.test("leave names a Service, its port, or all", () => {
  assert.deepEqual(understood("pmz leave echo.shop:80"), {
    words: "leave",
    which: { service: { service: "echo", namespace: "shop", port: "80" }, namespace: undefined },
  });
  assert.deepEqual(understood("pmz leave --all"), { words: "leave", which: { all: true } });
  assert.deepEqual(understood("pmz intercept delete -s echo"), {
    words: "intercept delete",
    service: { service: "echo" },
  });
  assert.throws(() => understood("pmz leave"));
  assert.throws(() => understood("pmz leave echo --all"));
});

Deno.test("domains are added and removed in our words and in the original's", () => {
  const meant = { domain: "www.dns.com", service: { service: "echo" }, namespace: "default" };
  assert.deepEqual(understood("pmz dns add www.dns.com echo -n default"), { words: "dns add", ...meant });
  assert.deepEqual(understood("pmz dns add --domain www.dns.com --service echo --namespace default"), {
    words: "dns add",
    ...meant,
  });
  assert.deepEqual(understood("pmz dns add -d www.dns.com -s echo -n default"), {
    words: "dns add",
    ...meant,
  });
  assert.deepEqual(understood("pmz dns remove www.dns.com"), { words: "dns remove", domain: "www.dns.com" });
  assert.deepEqual(understood("pmz dns remove --domain www.dns.com"), {
    words: "dns remove",
    domain: "www.dns.com",
  });
});

Deno.test("the words of the original's README are all understood", () => {
  for (
    const line of [
      "pmz run --interface eth0",
      "pmz run -i eth0",
      "pmz agent deploy",
      "pmz agent deploy -n default",
      "pmz agent delete",
      "pmz connect",
      "pmz disconnect",
      "pmz stop",
      "pmz dns list",
      "pmz dns add --domain www.dns.com --service echo --namespace default",
      "pmz dns remove --domain www.dns.com",
      "pmz intercept add -s echo -p 8081:80",
      "pmz intercept add -s echo -n default -p 8081:80",
      "pmz intercept list",
      "pmz intercept delete -s echo",
    ]
  ) understood(line);
});

Deno.test("what makes no sense is refused with one line and the help that fits", () => {
  const refused = (line: string) => {
    try {
      parse(split(line), nowhere);
    } catch (error) {
      const { message, failure } = error as Error & { failure: { code: string; hint: string } };
      assert.equal(failure.code, "usage");
      assert.ok(!message.includes("\n"));
      return [message, failure.hint];
    }
    throw new Error(`${line} was understood`);
  };
  assert.deepEqual(refused("pmz ups"), [
    '"ups" is not a valid option or command here: did you mean "up"?',
    "pmz --help",
  ]);
  assert.deepEqual(refused("pmz flows --failde"), [
    '"--failde" is not a valid option or command here: did you mean "--failed"?',
    "pmz flows --help",
  ]);
  assert.deepEqual(refused("pmz up --unheard-of"), [
    '"--unheard-of" is not a valid option or command here',
    "pmz up --help",
  ]);
  assert.deepEqual(refused("pmz dns"), [
    '"pmz dns" is not complete: add one of add, allow, list, remove',
    "pmz dns --help",
  ]);
  assert.deepEqual(refused("pmz intercept"), [
    '"pmz intercept" is not complete: add SERVICE[.NS] and LOCAL[:PORT]',
    "pmz intercept --help",
  ]);
  for (
    const [line, lacking] of [
      ["pmz intercept echo", "LOCAL[:PORT]"],
      ["pmz leave", "SERVICE[.NS][:PORT] or --all"],
      ["pmz dns add", "DOMAIN and SERVICE[.NS]"],
      ["pmz dns add a.example", "SERVICE[.NS]"],
      ["pmz dns remove", "DOMAIN"],
    ] as const
  ) assert.equal(refused(line)[0], `"${line}" is not complete: add ${lacking}`);
  assert.deepEqual(refused("pmz dns lst"), [
    '"pmz dns lst" is not a valid command: did you mean "list"?',
    "pmz dns list",
  ]);
  assert.deepEqual(refused("pmz up --proxy 1090 --yes"), [
    '"--proxy 1090" is not a valid option: write the port after an equals sign, --proxy=1090',
    "pmz up --proxy=1090 --yes",
  ]);
  for (const line of ["pmz up --context=", "pmz down --context=", "pmz leave echo --context="]) {
    assert.match(refused(line)[0] ?? "", /^`--context`: "" is not a valid context: expected one of/);
  }
  assert.equal(refused("pmz up --kubeconfig=")[0], '`--kubeconfig`: "" is not a valid file: expected a path');
  assert.equal(refused("pmz up --proxy=99999")[1], "pmz up --help");
  assert.equal(refused("pmz up -o xml")[1], "pmz up --help");
  assert.equal(refused("pmz dns add a_b..c echo")[1], "pmz dns add --help");
  assert.ok(!refused("pmz up \x1b[31m")[0]?.includes("\x1b"));
});
