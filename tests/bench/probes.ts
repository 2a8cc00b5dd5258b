import { type Answers, loadProgram, parseAnswers, parseCarried } from "./load.ts";
import type { Way } from "./way.ts";
import { parseWrk, wrkCommand } from "./wrk.ts";

/** What one measurement found. */
export interface Found {
  readonly figures: Record<string, number>;
  /** By what its CPU time is to be divided. */
  readonly work: number;
  readonly errors: number;
  readonly error?: string;
}

/** A measurement that can be made of any way. */
export interface Probe {
  readonly name: string;
  measure(way: Way): Promise<Found>;
}

const REQUESTS = 10_000;
const GIB = 2 ** 30;
/** Milliseconds that a measurement may take beyond its own time. */
const PATIENCE = 60_000;

/** Requests a second for so many seconds: kept-alive connections, or one for each request. */
export function rate(name: string, clients: number, seconds: number, fresh = false): Probe {
  const measure = async (way: Way) => {
    const { url, script } = way.proxied ?? { url: `http://${way.http}/` };
    const { field } = way;
    const command = wrkCommand(url, {
      clients,
      seconds,
      fresh,
      ...script === undefined ? {} : { script },
      ...field === undefined ? {} : { field },
    });
    const { requests, perSecond, errors } = parseWrk(await way.run(command, seconds * 1000 + PATIENCE));
    return { figures: { [name]: perSecond }, work: requests / REQUESTS, errors };
  };
  return { name, measure };
}

/** So many requests of so many users who ask one after the other, connecting included; all of it `times` times. */
export function load(requests: number, users: number, times: number): Probe {
  const name = `r${requests}-u${users}`;
  const options = ["-requests", `${requests}`, "-clients", `${users}`, "-times", `${times}`];
  const measure = async (way: Way) => {
    const answers = await ask(way, "requests", options);
    return { figures: { [name]: answers.requests / answers.seconds }, ...rest(answers) };
  };
  return { name, measure };
}

/** As {@linkcode rate}, asked by load: it runs in pods, where wrk's libraries aren't. */
export function loadRate(name: string, clients: number, seconds: number, fresh = false): Probe {
  const options = ["-clients", `${clients}`, "-seconds", `${seconds}`, ...fresh ? ["-new"] : []];
  const measure = async (way: Way) => {
    const answers = await ask(way, "requests", options);
    return { figures: { [name]: answers.requests / answers.seconds }, ...rest(answers) };
  };
  return { name, measure };
}

/** Requests a second by HTTP/2, on a connection of each client. */
export function http2Rate(name: string, clients: number, seconds: number): Probe {
  const options = ["-prior", "-clients", `${clients}`, "-seconds", `${seconds}`];
  const measure = async ({ http2, ...way }: Way) => {
    if (http2 === undefined) throw new Error(`${way.name} has no HTTP/2`);
    const answers = await ask({ ...way, http: http2 }, "requests", options);
    return { figures: { [name]: answers.requests / answers.seconds }, ...rest(answers) };
  };
  return { name, measure };
}

/** Datagrams of so many bytes that are sent back, 32 on the way, each second. */
export function datagrams(size: number, seconds: number): Probe {
  const name = `datagrams-${size}`;
  const measure = async (way: Way) => {
    const answers = await askByUdp(way, ["-size", `${size}`, "-window", "32", "-seconds", `${seconds}`]);
    return { figures: { [name]: answers.requests / answers.seconds }, ...rest(answers) };
  };
  return { name, measure };
}

/** One exchange after the other: by datagrams, or by a kept-alive connection where a way has none. */
export function exchange(seconds: number): Probe {
  const measure = async (way: Way) => {
    const answers = way.datagrams === undefined
      ? await ask(way, "requests", ["-clients", "1", "-seconds", `${seconds}`])
      : await askByUdp(way, ["-size", "100", "-window", "1", "-seconds", `${seconds}`]);
    return { figures: { "exchange-p50": answers.p50 }, ...rest(answers) };
  };
  return { name: "exchange", measure };
}

/** All that is measured of datagrams. */
export function datagramProbes(quick: boolean, only?: readonly string[]): Probe[] {
  const seconds = quick ? 1 : 3;
  const all = [datagrams(100, seconds), datagrams(1_200, seconds), exchange(seconds)];
  return only === undefined ? all : all.filter(({ name }) => only.includes(name));
}

async function askByUdp(way: Way, options: readonly string[]): Promise<Answers> {
  const { datagrams } = way;
  if (datagrams === undefined) throw new Error(`${way.name} carries no datagrams`);
  const command = [way.loadProgram ?? loadProgram, "datagrams", "-target", datagrams, ...options];
  return parseAnswers(await way.run(command, PATIENCE));
}

/** 200 requests a second, whether answers come or not. */
export function pace(seconds: number): Probe {
  const options = ["-rate", "200", "-clients", "8", "-seconds", `${seconds}`];
  const measure = async (way: Way) => {
    const answers = await ask(way, "pace", options);
    return { figures: { "pace-p50": answers.p50, "pace-p99": answers.p99 }, ...rest(answers) };
  };
  return { name: "pace", measure };
}

/** Streams of bytes in one direction. */
export function stream(direction: "up" | "down", streams: number, seconds: number): Probe {
  const name = `${direction}-${streams}`;
  const measure = async (way: Way) => {
    const { bytes, bitsPerSecond } = await carry(way, direction, streams, seconds, 0);
    return { figures: { [name]: bitsPerSecond / 1e6 }, work: bytes / GIB, errors: 0 };
  };
  return { name, measure };
}

/** One stream of bytes to the laptop, or from it: where what asks is in the cluster, the first is up. */
export function laptopStream(direction: "to" | "from", seconds: number): Probe {
  const name = `${direction}-laptop`;
  const measure = async (way: Way) => {
    const isUp = (direction === "to") !== (way.asksFromLaptop ?? false);
    const { bytes, bitsPerSecond } = await carry(way, isUp ? "up" : "down", 1, seconds, 0);
    return { figures: { [name]: bitsPerSecond / 1e6 }, work: bytes / GIB, errors: 0 };
  };
  return { name, measure };
}

/** One stream at a distance: what share of the link's rate it fills after the first seconds. */
export function share(prefix: string, direction: "up" | "down", megabits: number, seconds: number): Probe {
  const name = `${prefix}/${direction}-share`;
  const measure = async (way: Way) => {
    const { bytes, bitsPerSecond } = await carry(way, direction, 1, seconds, Math.min(3, seconds / 2));
    return { figures: { [name]: bitsPerSecond / 1e6 / megabits }, work: bytes / GIB, errors: 0 };
  };
  return { name, measure };
}

/** Requests one after the other at a distance: how many round trips each takes. */
export function trips(prefix: string, rttMs: number, seconds: number, fresh: boolean): Probe {
  const name = `${prefix}/${fresh ? "new" : "kept"}-trips`;
  const options = ["-clients", "1", "-seconds", `${seconds}`, ...fresh ? ["-new"] : []];
  const measure = async (way: Way) => {
    const answers = await ask(way, "requests", options);
    return { figures: { [name]: answers.p50 / rttMs }, ...rest(answers) };
  };
  return { name, measure };
}

/**
 * All that is measured where there's no distance.
 *
 * @param only the names of those that are wanted
 */
export function nearProbes(quick: boolean, only?: readonly string[]): Probe[] {
  const seconds = quick ? 1 : 3;
  const all = [
    rate("kept-50", 50, seconds),
    rate("kept-1", 1, seconds),
    rate("new-50", 50, seconds, true),
    load(1000, 50, quick ? 2 : 5),
    load(5000, 100, quick ? 1 : 2),
    load(10_000, 300, 1),
    ...(["up", "down"] as const).flatMap((direction) => [
      stream(direction, 1, seconds),
      stream(direction, 8, seconds),
    ]),
    pace(quick ? 1.5 : 4),
  ];
  return only === undefined ? all : all.filter(({ name }) => only.includes(name));
}

/** All that is measured of intercepts but the time that relay adds. */
export function interceptProbes(quick: boolean): Probe[] {
  const seconds = quick ? 1 : 3;
  return [
    loadRate("kept-50", 50, seconds),
    loadRate("kept-1", 1, seconds),
    loadRate("new-50", 50, seconds, true),
    laptopStream("to", seconds),
    laptopStream("from", seconds),
  ];
}

/** What is measured of ports with personal rules. */
export function personalProbes(quick: boolean): Probe[] {
  const seconds = quick ? 1 : 2;
  return [
    loadRate("kept-50", 50, seconds),
    loadRate("kept-1", 1, seconds),
    http2Rate("http2-50", 50, seconds),
    http2Rate("http2-1", 1, seconds),
  ];
}

async function ask(way: Way, mode: "requests" | "pace", options: readonly string[]): Promise<Answers> {
  const command = [
    way.loadProgram ?? loadProgram,
    mode,
    "-target",
    way.http,
    ...options,
    ...socks(way),
    ...fieldOf(way),
  ];
  return parseAnswers(await way.run(command, PATIENCE));
}

async function carry(way: Way, direction: "up" | "down", streams: number, seconds: number, warmup: number) {
  const options = ["-streams", `${streams}`, "-seconds", `${seconds}`, "-warmup", `${warmup}`];
  const up = direction === "up" ? ["-up"] : [];
  const command = [
    way.loadProgram ?? loadProgram,
    "stream",
    "-target",
    way.bytes,
    ...options,
    ...up,
    ...socks(way),
  ];
  return parseCarried(await way.run(command, seconds * 4000 + PATIENCE));
}

function socks(way: Way): string[] {
  return way.socks === undefined ? [] : ["-socks", way.socks];
}

function fieldOf({ field }: Way): string[] {
  return field === undefined ? [] : ["-field", field];
}

function rest({ requests, errors, error }: Answers) {
  return { work: requests / REQUESTS, errors, ...error === undefined ? {} : { error } };
}
