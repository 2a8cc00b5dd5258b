import type { Caller } from "./caller.ts";

/**
 * Which echo server says that it answered, for each of `count` datagrams, each from a socket of its own that is connected to the
 * Service: so the answer has to come from where it was sent. "" where none did in two seconds.
 * @param service name and port: "echo/9001"
 */
export async function udpAnswers(caller: Caller, service: string, count: number): Promise<string[]> {
  const { stdout } = await caller.run(
    `
    for i in $(seq ${count}); do
      exec 3<>/dev/udp/${service}
      echo question $i >&3
      timeout 2 dd bs=65536 count=1 status=none <&3 || echo
      exec 3>&-
    done`,
    { timeout: 30_000 + 2_500 * count },
  );
  return stdout.trimEnd().split("\n").map((line) => /^(.*): question/.exec(line)?.[1] ?? "");
}
