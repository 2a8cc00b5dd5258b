import assert from "node:assert/strict";
import { soughtWord } from "./sought_word.ts";

/** The kind of the word at the end of a line, with what stands before it: "port 8081:". */
function kindOf(line: string): string | undefined {
  const sought = soughtWord(line.split(" "));
  return sought && `${sought.kind} ${sought.before}`.trim();
}

Deno.test("a word is known by what stands before it, whatever options are in between", () => {
  const lines: [line: string, kind: string | undefined][] = [
    ["explain ", "service"],
    ["leave ", "intercept"],
    ["leave --context dev ", "intercept"],
    ["leave echo ", undefined],
    ["intercept --header x=y ", "service"],
    ["intercept --path /a --from shop/app=web -n shop ", "service"],
    ["intercept echo ", undefined],
    ["dns add ", undefined],
    ["dns add a.example ", "service"],
    ["dns remove ", "domain"],
    ["run ", "service"],
    ["env -n shop ", "service"],
    ["run --intercept 8081 ", "service"],
    ["run echo ", undefined],
    ["run echo -- node ", undefined],
    ["up --proxy ", undefined],
    ["", undefined],
  ];
  for (const [line, kind] of lines) assert.equal(kindOf(line), kind, line);
});

Deno.test("an option's value is known by the option, also after an equals sign", () => {
  const lines: [line: string, kind: string | undefined][] = [
    ["up -n ", "namespace"],
    ["up --namespace=s", "namespace --namespace="],
    ["up --context d", "context"],
    ["intercept echo 8081 --context=d", "context --context="],
    ["down --context d", "connected"],
    ["dns add --context d", "connected"],
    ["intercept echo 8081 --confirm e", "service"],
    ["intercept --header e", undefined],
    ["logs --since 1", undefined],
    ["report --output f", undefined],
  ];
  for (const [line, kind] of lines) assert.equal(kindOf(line), kind, line);
});

Deno.test("a Service's port is known where one can stand", () => {
  assert.deepEqual(soughtWord("intercept -n shop echo 8081:h".split(" ")), {
    kind: "port",
    before: "8081:",
    typed: "h",
    service: "echo",
    namespace: "shop",
  });
  const lines: [line: string, kind: string | undefined][] = [
    ["intercept echo 127.0.0.1:8081:", "port 127.0.0.1:8081:"],
    ["intercept echo [::1]:8081:", "port [::1]:8081:"],
    ["intercept echo localhost:", undefined],
    ["explain echo.default:", "port echo.default:"],
    ["explain http://echo", "service"],
    ["run echo --intercept 8081:", "port 8081:"],
    ["run echo --intercept=8081:", "port --intercept=8081:"],
    ["env echo:", undefined],
  ];
  for (const [line, kind] of lines) assert.equal(kindOf(line), kind, line);
});
