import assert from "node:assert/strict";
import { type SeqPacket, SeqPacketListener } from "../../ffi/seqpacket.ts";
import { closeDescriptor, localEndpoint } from "../../ffi/socket.ts";
import type { CapturedPorts, HelperAnswer, HelperRequest } from "../../wire/helper.ts";
import type { DataCalls, MainCalls } from "../data/protocol.ts";
import { Failure } from "../failure.ts";
import { Channel } from "../worker_channel.ts";
import { LaptopSide } from "./laptop_side.ts";

const HELLO: HelperAnswer = {
  ok: true,
  hello: { protocol: "helper", version: 1, oldest: 1, features: [], release: "0.1.0" },
  address: "127.0.0.1", // nothing listens on its port 1
  device: "pmz-of-a-test",
  table: 7000,
};

/** A fake helper, and a fake data worker that takes listeners and closes them. */
function surroundings(answer: (request: HelperRequest) => HelperAnswer | undefined = () => undefined) {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/helper.sock`;
  const listener = SeqPacketListener.listen(path);
  const asked: HelperRequest[] = [];
  let peer: SeqPacket | undefined;
  const serving = (async () => {
    peer = await listener.accept();
    for (let came; (came = await peer?.receive());) {
      const request = came.message as HelperRequest;
      for (const fd of came.fds) closeDescriptor(fd);
      asked.push(request);
      peer?.send(answer(request) ?? (request.ask === "hello" ? HELLO : { ok: true }));
    }
    peer?.close();
  })();
  const { port1, port2 } = new MessageChannel();
  const listening: string[] = [];
  const worker = new Channel<Pick<DataCalls, "listen" | "unlisten">, Record<string, never>>(port2, {
    listen(fds) {
      for (const fd of fds) {
        listening.push(localEndpoint(fd).address.text);
        closeDescriptor(fd);
      }
    },
    unlisten: () => void listening.splice(0),
  });
  void worker;
  const data = new Channel<Record<string, never>, DataCalls>(port1, {}) as unknown as Channel<
    MainCalls,
    DataCalls
  >;
  return {
    path,
    asked,
    data,
    listening,
    kill: () => peer?.close(),
    async [Symbol.asyncDispose]() {
      listener.close();
      peer?.close();
      await serving;
      port1.close();
      port2.close();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

const wanted = (...addresses: string[]) =>
  new Map<string, CapturedPorts>(addresses.map((one) => [one, "any"]));

Deno.test("the helper and the data worker get a listener of each family, and captures of these", async () => {
  await using at = surroundings();
  await using side = await LaptopSide.start(at.data, at.path);
  assert.equal(side.address, "127.0.0.1");
  assert.deepEqual(at.listening, ["127.0.0.1", "::1"]);
  await side.capture("dev", wanted("10.96.0.7", "fd00::7"));
  assert.equal(side.routes, 2);
  await side.remove("dev");
  assert.equal(side.routes, 0);
});

Deno.test("a helper that refuses the listeners leaves none", async () => {
  await using at = surroundings((request) =>
    request.ask === "listeners" ? { ok: false, code: "refused", error: "not yours" } : undefined
  );
  await assert.rejects(LaptopSide.start(at.data, at.path), /not yours/);
  assert.deepEqual(at.listening, []);
});

Deno.test("a helper that is gone is told, and the rest ends all the same", async () => {
  await using at = surroundings();
  const side = await LaptopSide.start(at.data, at.path);
  at.kill();
  await side.lost;
  await assert.rejects(side.capture("dev", wanted("10.96.0.7")), Failure);
  await side[Symbol.asyncDispose]();
  await side[Symbol.asyncDispose]();
  assert.deepEqual(at.listening, []);
  assert.deepEqual(await side.left(), [], "the device isn't there");
});
