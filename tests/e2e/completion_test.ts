import assert from "node:assert/strict";
import { Stage } from "./lib/stage.ts";

Deno.test("a shell completes contexts of the kubeconfig, and what the connected cluster has", async () => {
  await using stage = await Stage.set();
  const { alice } = stage;
  /** What is offered for the last word, without its description. */
  const offered = async (...words: string[]) =>
    (await alice.done(["completion", "fish", ...words])).stdout.split("\n").map((line) =>
      line.split("\t")[0]
    );
  assert.ok((await offered("up", "--context", "o")).includes("one"), "without a daemon");
  assert.ok(!(await offered("intercept", "ec")).includes("echo.default"), "without a daemon");
  await stage.up();
  assert.ok((await offered("intercept", "ec")).includes("echo.default"));
  assert.ok((await offered("intercept", "-n", "default", "ec")).includes("echo"));
  assert.ok((await offered("intercept", "echo", "8081:8")).includes("8081:80"));
  assert.ok((await offered("services", "-n", "kube-s")).includes("kube-system"));
  await alice.done(["intercept", "echo", "18096", "--mine"]);
  assert.ok((await offered("leave", "echo.default:")).includes("echo.default:80/mine"));
  const bash = `source <(pmz completion bash); COMP_LINE="pmz leave echo.default:8"; COMP_POINT=\${#COMP_LINE}
    COMP_WORDS=(pmz leave echo.default : 8); COMP_CWORD=4; _pmz_with_colons pmz 8 :; echo "\${COMPREPLY[@]}"`;
  assert.match(await alice.shell(bash), /^80\/mine$/m);
  await alice.done(["leave", "echo"]);
});
