import assert from "node:assert/strict";
import { isOffered } from "./offered.ts";

Deno.test("the page runs the commands of its buttons", () => {
  for (
    const line of [
      "intercept echo.default 8081:80",
      "intercept echo 8081 --header x-user=alice --path /cart --ttl 2h --confirm echo",
      "intercept echo 8081 --header=x-user=alice --yes",
      "leave echo.default:80",
      "leave --all",
      "dns add www.shop.example echo.default --context dev",
      "dns remove www.shop.example",
      "down",
      "down --context dev",
    ]
  ) assert.ok(isOffered(line.split(" ")), line);
});

Deno.test("it runs no other command, and none with a file, a program or an image", () => {
  for (
    const line of [
      "",
      "up --yes",
      "run echo -- sh",
      "env echo",
      "report",
      "dns allow corp.example",
      "dns",
      "agent delete --yes",
      "ui",
      "intercept echo 8081 --kubeconfig /tmp/evil",
      "intercept echo 8081 --kubeconfig=/tmp/evil",
      "intercept echo 8081 --env-file /tmp/secrets",
      "intercept echo 8081 --agent-image evil",
      "intercept echo 8081 -n shop",
      "intercept echo 8081 --",
      "intercept add -s echo -p 8081:80",
      "dns remove --context dev a.example",
      "leave -v echo",
      "constructor",
    ]
  ) assert.ok(!isOffered(line.split(" ")), line);
});
