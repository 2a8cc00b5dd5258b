// Uses pmz for minutes in every way at once, and looks at what fails and what stays: `./dev soak`.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { parseArgs } from "node:util";
import { soak } from "./soak.ts";
import { isSound, report } from "./verdict.ts";

const usage = `usage: ./dev soak [options]

Two laptops of the test cluster use pmz for minutes: connections of all sizes and names, a personal intercept that is made and
left, while pods are replaced and Services come and go; in the second half processes are killed and the cable is pulled. Each
failed request has to be explained by something that was done, and in the end nothing may stay.

  --minutes N   how long, 2 otherwise; what comes before and after is not counted
  --seed N      which kills, and when: the same ones for the same number`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      minutes: { type: "string", default: "2" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0) || !Number.isInteger(seed)) {
    console.error(usage);
    return 2;
  }
  const began = Date.now();
  const tell = (line: string) => console.error(`${Math.round((Date.now() - began) / 1_000)} s: ${line}`);
  const verdict = await soak({ minutes, seed }, tell);
  console.log(report(verdict));
  return isSound(verdict) ? 0 : 1;
}

Deno.exit(await main());
