import assert from "node:assert/strict";
import { connected, OTHER, USER } from "./connected.ts";
import type { Outcome } from "./person.ts";
import { whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
const LAN = "10.50.0.53";
const STUB = "127.0.0.53";
const LAN6 = "fd50::53";

Deno.test(
  { name: `the user's queries for the laptop's nameservers go to the daemon${reason}`, ignore },
  async (t) => {
    await using laptop = await connected();
    const { room, daemon } = laptop;
    const user = await room.person(USER);
    const other = await room.person(OTHER);
    const root = await room.person(0);
    const { answer } = await daemon.do<{ answer: unknown }>({ do: "names", nameservers: [LAN, STUB, LAN6] });
    assert.deepEqual(answer, { ok: true, beat: true, released: [] });

    await t.step(
      "UDP: connected, not connected, v4-mapped, IPv6; the answer comes from who was asked",
      async () => {
        for (
          const attempt of [
            { to: `${LAN}:53` },
            { to: `${LAN}:53`, unconnected: true },
            { to: `${LAN}:53`, mapped: true },
            { to: `${LAN}:53`, mapped: true, unconnected: true },
            { to: `${STUB}:53` },
            { to: `[${LAN6}]:53` },
            { to: `[${LAN6}]:53`, unconnected: true },
          ]
        ) {
          const outcome = await user.do<Outcome>({ kind: "udp", say: "echo.default.svc?", ...attempt });
          const server = attempt.to.replace(/^\[?(.*?)\]?:53$/, "$1");
          assert.equal(
            outcome.said,
            `stub for ${server} heard echo.default.svc?`,
            JSON.stringify(outcome),
          );
          assert.equal(outcome.sender, attempt.to);
          if (!("unconnected" in attempt)) assert.equal(outcome.peer, attempt.to);
        }
      },
    );
    await t.step("TCP", async () => {
      for (
        const attempt of [{ to: `${LAN}:53` }, { to: `${LAN}:53`, mapped: true }, { to: `[${LAN6}]:53` }]
      ) {
        const outcome = await user.do<Outcome>({ kind: "tcp", ...attempt });
        assert.match(outcome.said ?? "", /^stub for .* by TCP$/);
        assert.equal(outcome.peer, attempt.to);
      }
    });
    await t.step("other accounts' queries go where they went", async () => {
      for (const person of [other, root]) {
        for (const unconnected of [true, false]) {
          const { said } = await person.do<Outcome>({ kind: "udp", to: `${LAN}:53`, say: "?", unconnected });
          assert.equal(said, undefined);
        }
      }
    });
    await t.step(
      "other accounts, and root, are refused at the stubs themselves, by UDP and TCP",
      async () => {
        const { stubs } = await daemon.do<{ stubs: string[] }>({
          do: "names",
          nameservers: [LAN, STUB, LAN6],
        });
        for (const to of stubs) {
          for (const person of [other, root]) {
            for (const how of [{ kind: "udp" }, { kind: "udp", unconnected: true }, { kind: "tcp" }]) {
              const { failed } = await person.do<Outcome>({ ...how, to, say: "?" });
              assert.equal(failed, "EPERM", `${JSON.stringify(how)} to ${to}`);
            }
          }
          assert.match((await user.do<Outcome>({ kind: "udp", to, say: "?" })).said ?? "", /stub for/);
        }
      },
    );
    await t.step("queries for another server, another port, or by a device, go where they went", async () => {
      for (
        const attempt of [{ to: "10.50.0.54:53" }, { to: `${LAN}:5353` }, { to: `${LAN}:53`, device: "eth0" }]
      ) {
        const { said } = await user.do<Outcome>({ kind: "udp", say: "?", ...attempt });
        assert.equal(said, undefined);
      }
    });
    await t.step("the daemon's own queries don't come back to it", async () => {
      assert.equal(await daemon.do<unknown>({ do: "forward", server: `${LAN}:53` }), "nothing");
      const { said } = await user.do<Outcome>({ kind: "udp", to: `${LAN}:53`, say: "?" });
      assert.match(said ?? "", /stub/, "while the user's do");
    });
    await t.step("a stub's port can't be bound by others while queries go there", async () => {
      const { stubs } = await daemon.do<{ stubs: string[] }>({ do: "names", nameservers: [LAN] });
      const taken = await other.do<Outcome>({ kind: "udp", to: "127.0.0.1:9", from: stubs[0], say: "?" });
      assert.deepEqual([taken.failed, taken.at], ["EADDRINUSE", "bind"]);
    });
    await t.step("a nameserver that isn't stood in for any more is asked itself", async () => {
      const { said } = await user.do<Outcome>({ kind: "udp", to: `${STUB}:53`, say: "?" });
      assert.equal(said, undefined);
      assert.match(
        (await user.do<Outcome>({ kind: "udp", to: `${LAN}:53`, say: "?" })).said ?? "",
        /stub for/,
      );
    });
    await t.step("when the daemon's heartbeat stops, queries pass within 2 s", async () => {
      await daemon.do({ do: "stop beating" });
      await new Promise((resolve) => setTimeout(resolve, 2_050));
      const { said, local } = await user.do<Outcome>({ kind: "udp", to: `${LAN}:53`, say: "?" });
      assert.equal(said, undefined, String(local));
    });
  },
);

Deno.test({ name: `a daemon that hangs holds no query for longer than 2 s${reason}`, ignore }, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  const user = await room.person(USER);
  await daemon.do({ do: "names", nameservers: [STUB] });
  assert.match((await user.do<Outcome>({ kind: "udp", to: `${STUB}:53`, say: "?" })).said ?? "", /stub/);
  await daemon.kill("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 2_050));
  const { failed } = await user.do<Outcome>({ kind: "udp", to: `${STUB}:53`, say: "?" });
  assert.equal(failed, "ECONNREFUSED", "nothing listens at the stub itself, in this room");
  await daemon.kill("SIGCONT");
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.match((await user.do<Outcome>({ kind: "udp", to: `${STUB}:53`, say: "?" })).said ?? "", /stub/);
});

Deno.test(
  { name: `names are only taken once the daemon has made itself known${reason}`, ignore },
  async () => {
    await using laptop = await connected({}, { identify: false });
    const { answer } = await laptop.daemon.do<{ answer: { ok: boolean; error: string } }>({
      do: "names",
      nameservers: [LAN],
    });
    assert.equal(answer.ok, false);
    assert.match(answer.error, /connect to 198\.18\.255\.254:1 first/);
    assert.equal(await laptop.daemon.do<unknown>({ do: "forward", server: `${LAN}:53` }), "nothing");
  },
);
