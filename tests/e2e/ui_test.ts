import assert from "node:assert/strict";
import { answer } from "./lib/answerer.ts";
import { browse, has, press, servePage, type } from "./lib/page.ts";
import { clientsOn } from "./lib/clients.ts";
import { Stage } from "./lib/stage.ts";

const own = "#intercepts .card";

Deno.test("the page shows the state, connections as they end, and an intercept that its buttons make and end; other origins and accounts get nothing", async (t) => {
  await using stage = await Stage.set();
  const { world, alice, bob, otherBob } = stage;
  await using programs = await clientsOn(world, world.laptop);
  await using _service = {
    [Symbol.asyncDispose]: async () => void await world.kubectl(["delete", "service", "payments"]),
  };
  await world.kubectl(["create", "service", "clusterip", "payments", "--tcp=8080"]);
  await alice.done(["agent", "deploy"], { timeout: 300_000 });
  await alice.up();
  await using _answerer = await answer(world.laptop, "alice", { as: "alices-laptop", http: 8081, tcp: 9100 });
  await using page = await servePage(world.laptop, "alice");
  await using _calls = world.laptop.spawn("alice", ["sh", "-c", CALLS]);

  await t.step("it shows the cluster, and connections with their reasons", async () => {
    await browse(programs, [
      { open: page.url },
      has("#summary", "Connected to"),
      has("#clusters", "Connected to gateway-"),
      has("#flows", "curl (", "echo.default.svc:80", "done in"),
      press("[data-show=failed]"),
      has("#flows", "payments.default.svc:8080", "no ready endpoint"),
      type("#filter", "payments"),
      has("#service-count", "1 of "),
      has("#services", "payments.default.svc", "not ready"),
    ]);
  });

  await t.step("its buttons intercept and leave, each with its command line", async () => {
    const { told } = await browse(programs, [
      { open: page.url },
      type("#filter", "echo.default"),
      has("#service-count", "1 of "),
      press("#services [aria-label='Intercept echo.default.svc']"),
      type("#dialog [data-field=local]", "8081"),
      press("#dialog [value=match]"),
      type("#dialog .matcher input", "x-user=alice"),
      { tell: "document.querySelector('#dialog .command code').textContent" },
      press("#dialog .primary"),
      has("#dialog .output", "takes: header x-user: alice", "to end it: pmz leave echo.default:80/"),
      press("#dialog .actions button"),
      has(own, "localhost:8081", "Takes header x-user: alice"),
      { until: `/requests: [1-9]/.test(document.querySelector(${JSON.stringify(own)}).innerText)` },
      press(`${own} button`),
      press("#dialog .primary"),
      has("#dialog .output", "ended, its pods answer again"),
      press("#dialog .actions button"),
      has("#intercepts", "You intercept nothing."),
    ]);
    assert.deepEqual(told, ["pmz intercept echo.default 8081:80 --header x-user=alice"]);
    assert.deepEqual((await alice.json<{ items: unknown[] }>(["intercept", "list"])).items, []);
  });

  await t.step("in a protected context it asks for the Service's name", async () => {
    await using protecting = await servePage(world.laptop, "alice", { PMZ_PROTECT: "*" });
    await browse(programs, [
      { open: protecting.url },
      press("#services [aria-label='Intercept echo.default.svc']"),
      type("#dialog [data-field=local]", "8081"),
      type("#dialog .notice input", "cart.default"),
      press("#dialog .primary"),
      has("#dialog .output", "error: nothing was intercepted", "--confirm names another Service"),
      type("#dialog .notice input", "echo.default"),
      { until: "document.querySelector('#dialog .primary:not([disabled])') !== null" },
      press("#dialog .primary"),
      has("#dialog .output", "to end it: pmz leave echo.default:80"),
    ]);
    await alice.done(["leave", "--all"]);
  });

  await t.step("it shows what others take", async () => {
    await otherBob.done(["intercept", "echo.other", "8081", "--header", "x-user=bob"]);
    await browse(programs, [
      { open: page.url },
      has("#intercepts", "You intercept nothing.", "echo.other", "takes header x-user: bob of port 80"),
    ]);
    await otherBob.done(["leave", "--all"]);
  });

  await t.step("an error is told in the command's words", async () => {
    await browse(programs, [
      { open: page.url },
      press("#add-domain:not([hidden])"),
      type("#dialog fieldset label:nth-child(1) input", "www.shop.example"),
      type("#dialog fieldset label:nth-child(2) input", "nosuch.default"),
      press("#dialog .primary"),
      has("#dialog .output", "error: there is no Service nosuch in the namespace default"),
    ]);
  });

  await t.step("it fits a small window", async () => {
    const { told } = await browse(programs, [
      { look: { width: 360, height: 800, dark: true } },
      { open: page.url },
      has("#services", "echo.default.svc"),
      { tell: "document.documentElement.scrollWidth <= innerWidth" },
      {
        tell:
          "[...document.querySelectorAll('button')].filter((one) => !(one.ariaLabel || one.innerText)).length",
      },
    ]);
    assert.deepEqual(told, [true, 0]);
  });

  await t.step("a page of another origin gets nothing", async () => {
    const down = JSON.stringify({ words: ["down"] });
    const attempts = [
      `fetch("${page.url}services")`,
      `fetch("${page.url}run", { method: "POST", body: '${down}', headers: { "content-type": "application/json" } })`,
      `fetch("${page.url}run", { method: "POST", body: '${down}', mode: "no-cors" })`,
      `new Promise((resolve, reject) => {
        const events = new EventSource("${page.url}events");
        events.onopen = () => resolve("open");
        events.onerror = reject;
      })`,
    ];
    const frame = `new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.src = "${page.url}";
      frame.onload = () => resolve(frame.contentDocument === null);
      document.body.append(frame);
    })`;
    const { told } = await browse(programs, [
      { open: "http://127.0.0.1:8081/" },
      ...attempts.map((attempt) => ({ tell: `${attempt}.then((got) => got.type ?? got, () => "nothing")` })),
      { tell: frame },
    ]);
    assert.deepEqual(told, ["nothing", "nothing", "nothing", "nothing", true]);
    assert.equal((await alice.json<{ up: boolean }>(["status"])).up, true);
  });

  await t.step("another account of the laptop gets nothing, though it knows the address", async () => {
    for (const file of ["", "services", "events"]) {
      const said = await bob.shell(`curl -s -m 5 -w ' %{http_code}' ${page.url}${file}`);
      assert.equal(said, "refused: this page is another account's\n 403");
    }
  });

  await t.step("it ends with pmz down", async () => {
    await alice.done(["down"]);
    await page.says(/pmz is down/);
  });
});

/** Connections that succeed and others that fail, again and again. */
const CALLS = `while :; do
  curl -s -m 5 -o /dev/null -H 'x-user: alice' http://echo.default.svc/
  curl -s -m 5 -o /dev/null http://payments.default.svc:8080/
  sleep 0.3
done`;
