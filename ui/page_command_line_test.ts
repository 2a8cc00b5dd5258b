import assert from "node:assert/strict";
import { parse } from "../cli/parse.ts";
import { isOffered } from "./offered.ts";
import { explainWords, interceptWords, option, written } from "./page/command_line.js";

const whole = {
  service: "echo.default",
  local: "8081",
  port: "80",
  takes: "all",
  matchers: [],
  mirror: false,
  ttl: "",
  context: "",
  confirm: "",
} as const;

/** What the command line understands of words that the page may run. */
function understood(words: readonly string[]): Record<string, unknown> {
  assert.ok(isOffered(words), words.join(" "));
  const stdout = { isTerminal: false, columns: () => undefined, write() {} };
  const invocation = parse(words, { release: "0", stdout });
  assert.ok(invocation);
  return invocation.options as Record<string, unknown>;
}

Deno.test("a choice is a command line that pmz understands", () => {
  assert.equal(written(interceptWords(whole)), "pmz intercept echo.default 8081:80");
  const matchers = [
    { kind: "header", value: "x-user=alice" },
    { kind: "path", value: "/cart" },
    { kind: "grpc", value: "shop.v1.Cart/AddItem" },
    { kind: "cookie", value: "" },
  ];
  const words = interceptWords({
    ...whole,
    takes: "match",
    matchers,
    mirror: true,
    ttl: "2h",
    context: "dev",
  });
  const { headers, paths, grpc, cookies, mirror, ttl, context } = understood(words);
  assert.deepEqual(
    { headers, paths, grpc, cookies, mirror, ttl, context },
    {
      headers: [{ name: "x-user", exact: "alice" }],
      paths: [{ prefix: "/cart" }],
      grpc: [{ service: "shop.v1.Cart", method: "AddItem" }],
      cookies: [],
      mirror: true,
      ttl: 7200,
      context: "dev",
    },
  );
  assert.equal(understood(interceptWords({ ...whole, takes: "personal" })).personal, true);
  assert.equal(understood(interceptWords({ ...whole, takes: "mine", mirror: true })).mine, true);
});

Deno.test("a matcher counts only where some requests are meant", () => {
  const matchers = [{ kind: "header", value: "x-user=alice" }];
  assert.deepEqual(interceptWords({ ...whole, matchers }), ["intercept", "echo.default", "8081:80"]);
});

Deno.test("words that a shell would read otherwise are quoted", () => {
  assert.equal(written(["dns", "add", "*.shop.example", "echo"]), "pmz dns add '*.shop.example' echo");
  assert.equal(written(["leave", "it's $HOME"]), "pmz leave 'it'\\''s $HOME'");
  assert.deepEqual([option("ttl", ""), option("ttl", "2h")], [[], ["--ttl", "2h"]]);
});

Deno.test("a name that a page or program has made up does nothing in the shell into which it is copied", () => {
  assert.equal(written(explainWords("echo.default.svc:80/udp")), "pmz explain echo.default.svc:80/udp");
  assert.equal(written(explainWords("$(reboot).shop.example:80")), "pmz explain '$(reboot).shop.example:80'");
});
