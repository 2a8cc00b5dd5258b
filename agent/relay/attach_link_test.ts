import assert from "node:assert/strict";
import { SeqPacketListener } from "../../ffi/sockets/seqpacket.ts";
import { parseAddress } from "../../net/address.ts";
import { type RelayMessage } from "../../wire/handover.ts";
import { helloOf } from "../../wire/hello.ts";
import { AttachLink } from "./attach_link.ts";
import { memoryLog } from "../testing/log.ts";
import { until } from "../testing/laptop.ts";
import { SourceClassifier } from "./source_classifier.ts";

/** A link to an attach that has said hello and reads only when it's told to. */
async function linked() {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/handover.sock`;
  const listener = SeqPacketListener.listen(path);
  const { log, lines: logged } = memoryLog();
  const seen = { hellos: 0, gone: 0, logged };
  const link = new AttachLink({
    path,
    attachUid: Deno.uid() ?? 0,
    onHello: () => void seen.hellos++,
    onMessage: () => {},
    onDisconnected: () => void seen.gone++,
    log,
  });
  const ending = new AbortController();
  const running = link.run(ending.signal);
  const attach = await listener.accept();
  assert.ok(attach);
  const hello = helloOf("handover");
  attach.send({ tell: "hello", hello, clusterUid: "c", caHash: "c", pod: "p", node: "n" });
  await until(() => seen.hellos === 1, "attach's hello has come");
  return {
    link,
    seen,
    attach,
    async [Symbol.asyncDispose]() {
      ending.abort();
      attach.close();
      listener.close();
      await running;
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

Deno.test("a busy attach still gets other messages while many connections are to be classified", async () => {
  await using to = await linked();
  const classifier = new SourceClassifier((message) => to.link.send(message));
  classifier.setHost(["10.0.0.1"]);
  const [caller, pod] = [parseAddress("10.0.0.1"), parseAddress("10.244.0.5")];
  assert.ok(caller && pod);
  const ask = (port: number) => classifier.classify({ address: caller, port }, { address: pod, port: 8080 });
  const all = Array.from({ length: 4_096 }, (_, i) => ask(1_024 + i));
  to.link.send({ tell: "proven", rules: ["r"] });
  let message: RelayMessage | undefined;
  while (message?.tell !== "proven") {
    message = (await to.attach.receive())?.message as RelayMessage | undefined;
    assert.ok(message, "the link has ended");
  }
  for (let id = 0; id < all.length; id++) classifier.answered(id, true);
  await Promise.all(all);
  assert.deepEqual(to.seen, { hellos: 1, gone: 0, logged: [] });
});

Deno.test("questions that attach doesn't read are lost; any other message ends the connection", async () => {
  await using to = await linked();
  for (let id = 0; id < 10_000 && to.seen.logged.length === 0; id++) {
    to.link.send({ tell: "classify", id, caller: "10.0.0.1:1", destination: "10.244.0.5:8080" });
    to.link.send({ tell: "request-sockets", uid: "u", family: 4, count: 32 });
  }
  assert.deepEqual(to.seen, { hellos: 1, gone: 0, logged: [] });
  to.link.send({ tell: "proven", rules: [] });
  await until(() => to.seen.gone === 1, "the link has ended");
  assert.match(to.seen.logged.join(), /can't send a message to attach.*proven.*EAGAIN/);
});
