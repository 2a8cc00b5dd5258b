/** What the tests of this room share. */
import { type SeqPacket, SeqPacketListener } from "../../ffi/sockets/seqpacket.ts";
import { closeDescriptor, tcpListener } from "../../ffi/sockets/socket.ts";
import type { HelperAnswer, HelperRequest, NetworkNews, RefusalNews } from "../../wire/helper.ts";
import { helloOf } from "../../wire/hello.ts";

export const HELLO: HelperAnswer = {
  ok: true,
  hello: helloOf("helper"),
  address: "127.0.0.1", // nothing listens on its port 1
  device: "pmz-of-a-test",
  table: 7000,
  ranges: [],
};

function usualAnswer(request: HelperRequest): HelperAnswer {
  if (request.ask === "hello") return HELLO;
  if (request.ask === "udp") return { ok: true, own: request.family === 4 ? "127.0.0.1" : "::1" };
  return { ok: true };
}

export interface FakeHelper extends AsyncDisposable {
  readonly path: string;
  readonly asked: HelperRequest[];
  /** How many daemons have come and gone. */
  readonly left: number;
  /** Says something without being asked. */
  tell(news: NetworkNews | RefusalNews): void;
  /** It goes; the next connect finds another one. */
  die(): void;
}

/**
 * A helper that answers what the test says; where that is undefined, as a helper does, and "silent": nothing.
 * Descriptors are closed after the answer.
 */
export function fakeHelper(
  answer: (request: HelperRequest, fds: readonly number[]) => HelperAnswer | "silent" | undefined = () =>
    undefined,
): FakeHelper {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/helper.sock`;
  const listener = SeqPacketListener.listen(path);
  const asked: HelperRequest[] = [];
  let peer: SeqPacket | undefined;
  let left = 0;
  const serving = (async () => {
    while ((peer = await listener.accept())) await serve(peer);
  })();

  async function serve(peer: SeqPacket): Promise<void> {
    for (let came; (came = await peer.receive());) {
      const request = came.message as HelperRequest;
      asked.push(request);
      const given = answer(request, came.fds) ?? usualAnswer(request);
      if (given !== "silent") peer.send(given);
      for (const fd of came.fds) closeDescriptor(fd);
    }
    peer.close();
    left++;
  }

  return {
    path,
    asked,
    get left() {
      return left;
    },
    tell: (news) => peer?.send(news),
    die: () => peer?.close(),
    async [Symbol.asyncDispose]() {
      listener.close();
      peer?.close();
      await serving;
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

/** The listeners of a fake data worker, which accepts on none of them. */
export function fakeListeners() {
  const open: { readonly address: string; readonly descriptor: number }[] = [];
  return {
    get addresses() {
      return open.map(({ address }) => address);
    },
    listen(address: string): number {
      const descriptor = tcpListener({ address });
      open.push({ address, descriptor });
      return descriptor;
    },
    unlisten() {
      for (const { descriptor } of open.splice(0)) closeDescriptor(descriptor);
    },
  };
}
