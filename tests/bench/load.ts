import { output } from "../e2e/lib/command.ts";

/** How requests went that load asked. Latencies are in milliseconds. */
export interface Answers {
  readonly requests: number;
  readonly errors: number;
  /** The first of them. */
  readonly error?: string;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

export interface Carried {
  readonly bytes: number;
  readonly bitsPerSecond: number;
}

/** Where the program load comes to lie, once it's built. */
export const loadProgram = new URL("../../dist/bench/pmz-bench-load", import.meta.url).pathname;

/** Builds load, which has no modules but Go's own. */
export async function buildLoad(): Promise<void> {
  await buildGo(new URL("load", import.meta.url).pathname, loadProgram);
}

/** Builds a Go program of a folder. */
export async function buildGo(folder: string, program: string): Promise<void> {
  const command = ["go", "build", "-C", folder, "-trimpath", "-buildvcs=false", "-o", program, "."];
  await output(command, { env: { CGO_ENABLED: "0" }, timeout: 5 * 60_000 });
}

/** @throws {Error} where it's not what load prints */
export function parseAnswers(text: string): Answers {
  const value = object(text);
  const { error } = value;
  return {
    requests: number(value, "requests", text),
    errors: number(value, "errors", text),
    ...typeof error === "string" ? { error } : {},
    seconds: number(value, "seconds", text),
    p50: number(value, "p50", text),
    p99: number(value, "p99", text),
  };
}

/** @throws {Error} where it's not what load prints */
export function parseCarried(text: string): Carried {
  const value = object(text);
  return { bytes: number(value, "bytes", text), bitsPerSecond: number(value, "bitsPerSecond", text) };
}

/** The ports of `load serve`. @throws {Error} where it's not what load prints */
export function parsePorts(text: string): { http: number; bytes: number; http2?: number } {
  const value = object(text);
  const { http2 } = value;
  return {
    http: number(value, "http", text),
    bytes: number(value, "bytes", text),
    ...typeof http2 === "number" ? { http2 } : {},
  };
}

/** How many connections `load hold` has. @throws {Error} where it's not what load prints */
export function parseHeld(text: string): { open: number; failed: number } {
  const value = object(text);
  return { open: number(value, "open", text), failed: number(value, "failed", text) };
}

function object(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error(`load said: ${text}`);
  return { ...value };
}

function number(value: Record<string, unknown>, name: string, text: string): number {
  const found = value[name];
  if (typeof found !== "number") throw new Error(`load said nothing of ${name}: ${text}`);
  return found;
}
