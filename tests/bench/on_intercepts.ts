import { InterceptWorld } from "./intercept_world.ts";
import { http2Rate, interceptProbes, loadRate, pace, personalProbes } from "./probes.ts";
import type { Asked, Sample } from "./record.ts";
import { measureRounds, type Tell } from "./rounds.ts";

/** What makes V8 compile relay's ways before they are measured: the first one would be the slowest. */
const warm = [loadRate("warm", 20, 1), http2Rate("warm", 20, 1)];

/**
 * The way in: a pod asks, a program on the laptop answers; and the pod itself, and the way out, to compare it with. Then ports
 * with personal rules: requests that none takes, and such that one does.
 */
export async function onIntercepts({ rounds, quick, pmz }: Asked, tell: Tell) {
  tell("bringing the test cluster up");
  await using world = await InterceptWorld.up(pmz);
  const out = await world.out();
  await world.intercept();
  const pod = world.pod(), intercepted = world.in(), relayed = world.relayed();
  tell("making personal rules");
  const personal = await world.personal();
  for (const way of [intercepted, ...personal]) for (const probe of warm) await probe.measure(way);
  const paced = [pace(quick ? 1.5 : 4)];
  const samples: Sample[] = [];
  for (let first = 1; first <= rounds; first++) {
    const round = { rounds: 1, first };
    samples.push(
      ...await measureRounds(
        { ways: [pod, out, intercepted], probes: interceptProbes(quick), ...round },
        tell,
      ),
      ...await measureRounds({ ways: [out, intercepted], probes: paced, ...round }, tell),
    );
    const probes = personalProbes(quick);
    samples.push(
      ...await measureRounds({ ways: [pod, intercepted, ...personal], probes, ...round }, tell),
      ...await measureRounds({ ways: [pod, ...personal], probes: paced, ...round }, tell),
    );
    await using _full = await world.full();
    samples.push(...await measureRounds({ ways: [pod, relayed], probes: paced, ...round }, tell));
  }
  const rows = [pod, relayed, out, intercepted, ...personal].map(({ name, title }) => ({ name, title }));
  return { rows, samples, memory: [] };
}
