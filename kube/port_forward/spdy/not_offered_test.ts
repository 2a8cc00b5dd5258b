import assert from "node:assert/strict";
import { ApiError } from "../../client/api_error.ts";
import { FakeKubelet } from "../../testing/kubelet.ts";
import { NotOffered } from "./not_offered.ts";
import { spdyPortForward } from "./port_forward.ts";

const target = { namespace: "pmz", pod: "gateway-1", port: 8100 };

Deno.test("a server without the protocol is told apart from one that refuses or isn't there", async (test) => {
  const answered = async (answer: string) => {
    await using server = new FakeKubelet(() => Promise.resolve(), { answer });
    return await spdyPortForward(server.access, target).then(() => assert.fail("opened"), (error) => error);
  };
  const nothing = "content-length: 0\r\n\r\n";
  await test.step("403 without a word: a kubelet's", async () => {
    const error = await answered(`HTTP/1.1 403 Forbidden\r\n${nothing}`);
    assert(error instanceof NotOffered && error.status === 403);
  });
  await test.step("400, 500, 502", async () => {
    for (const status of [400, 500, 502]) {
      assert(await answered(`HTTP/1.1 ${status} No\r\n${nothing}`) instanceof NotOffered, `${status}`);
    }
  });
  await test.step("the older protocol chosen", async () => {
    await using server = new FakeKubelet(() => Promise.resolve()); // it always says v4.channel.k8s.io
    await assert.rejects(spdyPortForward(server.access, target), NotOffered);
  });
  await test.step("a connection that is closed at once, as by a strict proxy", async () => {
    assert(await answered("") instanceof NotOffered);
  });
  await test.step("401, 404, 429 are no matter of the protocol", async () => {
    for (const status of [401, 404, 429]) {
      const error = await answered(`HTTP/1.1 ${status} No\r\n${nothing}`);
      assert(error instanceof ApiError && !(error instanceof NotOffered), `${status}`);
      assert.equal(error.status, status);
    }
  });
  await test.step("nobody listens", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const access = { tls: false, hostname: "127.0.0.1", port, pathPrefix: "", caCerts: [], headers: {} };
    await assert.rejects(spdyPortForward(access, target), { name: "ApiError", reason: "Unreachable" });
  });
});
