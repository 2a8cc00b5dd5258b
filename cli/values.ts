import { type Message, message, text, value } from "@optique/core/message";
import { choice, type ValueParser } from "@optique/core/valueparser";
import { parseDomain } from "../wire/control/requests.ts";
import { isAccountName } from "../wire/helper.ts";

/** A Service as people name it: "echo", "echo.default", also "echo.default.svc" and longer. */
export interface ServiceName {
  readonly service: string;
  readonly namespace?: string;
}

/** A Service, and one of its ports if it says so: "echo.default:80". */
export interface ServicePort extends ServiceName {
  /** Name or number. */
  readonly port?: string;
  /** What follows a "/": "udp", the end of the name of a personal intercept's rule, or both. */
  readonly rule?: string;
  /** What follows an "@": the cluster's context. */
  readonly context?: string;
}

/** Where connections go on the laptop, and the Service's port if it says so: LOCAL[:PORT]. */
export interface LocalEnd {
  readonly host: string;
  readonly local: number;
  /** The Service's port, name or number; "53/udp" where TCP has the same number. */
  readonly port?: string;
}

/** RFC 1123 label: the name of a Service, a namespace. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** RFC 6335 §5.1: the name of a port. */
const PORT_NAME = /^(?=.*[a-z])[a-z0-9](?!.*--)[-a-z0-9]{0,13}[a-z0-9]$|^[a-z]$/;
/** Words that follow `pmz intercept` and are commands; a test compares them with the grammar. */
export const RESERVED: readonly string[] = ["list", "add", "delete"];

/** Reads "echo", "echo.default", "echo.default.svc.cluster.local"; undefined when it isn't one. */
export function parseServiceName(input: string): ServiceName | undefined {
  const [service = "", namespace, svc, ...domain] = input.split(".");
  if (!LABEL.test(service)) return undefined;
  if (namespace === undefined) return { service };
  if (!LABEL.test(namespace) || (svc !== undefined && svc !== "svc")) return undefined;
  if (!domain.every((label) => LABEL.test(label))) return undefined;
  return { service, namespace };
}

/** Reads "echo.default:80", "echo:http", "echo.default:80@context"; undefined when it isn't one. */
export function parseServicePort(input: string): ServicePort | undefined {
  const [, rest = "", rule, context] =
    /^([^@/]*)(?:\/([a-z]{1,16}(?:\/[a-z]{1,16})?))?(?:@(.+))?$/s.exec(input) ?? [];
  const [name = "", port, ...more] = rest.split(":");
  const service = parseServiceName(name);
  if (!service || more.length > 0 || (port !== undefined && !isPort(port))) return undefined;
  return {
    ...service,
    ...(port === undefined ? {} : { port }),
    ...(rule === undefined ? {} : { rule }),
    ...(context === undefined ? {} : { context }),
  };
}

/** A port alone is one of "localhost", which is both loopback addresses. Reads "8081", "8081:80", "8081:http", "5353:53/udp", "localhost:8081", "127.0.0.1:8081:80", "[::1]:8081:80"; undefined when it isn't one. */
export function parseLocalTarget(input: string): LocalEnd | undefined {
  const six = /^\[([0-9a-fA-F:.]+)\]:(.*)$/s.exec(input);
  const parts = (six?.[2] ?? input).split(":");
  const named = six?.[1] ?? (isNumber(parts[0] ?? "") ? undefined : parts.shift());
  const host = named ?? "localhost";
  const [local = "", port, ...more] = parts;
  if (!isNumber(local) || more.length > 0) return undefined;
  if (port !== undefined && !isPort(port.replace(/\/(udp|tcp)$/, ""))) return undefined;
  if (!six && !/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(host)) return undefined;
  return { host, local: Number(local), ...(port === undefined ? {} : { port }) };
}

/** SERVICE[.NS] */
export function service(): ValueParser<"sync", ServiceName> {
  return valueOf(
    "SERVICE[.NS]",
    { service: "echo" },
    parseServiceName,
    (of) => formatService(of),
    (input) => {
      const [kind, name = "", ...more] = input.split("/");
      if (parseServiceName(name) === undefined || more.length > 0) {
        return message`${
          value(input)
        } is not a valid Service name: expected one such as echo or echo.default.`;
      }
      return /^(svc|services?)$/.test(kind ?? "")
        ? message`${value(input)} is not a valid Service name: write ${text(name)}.`
        : message`${
          value(input)
        } is not a valid Service name: expected the name of a Service that leads to its pods.`;
    },
  );
}

/** SERVICE[.NS], but none of the words that follow `pmz intercept` and mean something else. */
export function interceptedService(): ValueParser<"sync", ServiceName> {
  const any = service();
  return {
    ...any,
    parse(input) {
      if (!RESERVED.includes(input)) return any.parse(input);
      const error = message`${
        value(input)
      } is a command here: to intercept a Service of that name, write its namespace too: ${
        text(`pmz intercept ${input}.default 8081`)
      }.`;
      return { success: false, error };
    },
  };
}

/** SERVICE[.NS][:PORT] */
export function servicePort(): ValueParser<"sync", ServicePort> {
  const format = (of: ServicePort) =>
    `${formatService(of)}${of.port === undefined ? "" : `:${of.port}`}${
      of.rule === undefined ? "" : `/${of.rule}`
    }${of.context === undefined ? "" : `@${of.context}`}`;
  return valueOf(
    "SERVICE[.NS][:PORT]",
    { service: "echo" },
    parseServicePort,
    format,
    (input) =>
      message`${
        value(input)
      } is not a valid Service and port: expected one such as echo, echo.default or echo.default:80.`,
  );
}

/** LOCAL[:PORT] */
export function localTarget(): ValueParser<"sync", LocalEnd> {
  const format = (of: LocalEnd) =>
    `${of.host.includes(":") ? `[${of.host}]` : of.host}:${of.local}${
      of.port === undefined ? "" : `:${of.port}`
    }`;
  return valueOf(
    "LOCAL[:PORT]",
    { host: "127.0.0.1", local: 8081 },
    parseLocalTarget,
    format,
    (input) =>
      message`${
        value(input)
      } is not a valid local port: expected one such as 8081, 8081:80 (80 is the Service's port) or 127.0.0.1:8081:http.`,
  );
}

/** A Service's port, name or number. */
export function portOfService(): ValueParser<"sync", string> {
  return valueOf(
    "PORT",
    "80",
    (input) => isPort(input) ? input : undefined,
    (port) => port,
    (input) =>
      message`${
        value(input)
      } is not a valid port of a Service: expected a name or a number, such as http or 80.`,
  );
}

/** A port of this machine. */
export function localPort(): ValueParser<"sync", number> {
  return valueOf(
    "PORT",
    1080,
    (input) => isNumber(input) ? Number(input) : undefined,
    String,
    (input) => message`${value(input)} is not a valid port: expected 1 to 65535.`,
  );
}

/** One of a few words. */
export function oneOf<const T extends string>(
  metavar: string,
  what: string,
  words: readonly T[],
): ValueParser<"sync", T> {
  return {
    ...choice(words, {
      metavar: metavar as ValueParser["metavar"],
      errors: {
        invalidChoice: (input) =>
          message`${value(input)} is not a valid ${text(what)}: expected ${text(words.join(" or "))}.`,
      },
    }),
  };
}

/** A namespace's name. */
export function namespace(): ValueParser<"sync", string> {
  return valueOf(
    "NS",
    "default",
    (input) => LABEL.test(input) ? input : undefined,
    (name) => name,
    (input) =>
      message`${value(input)} is not a valid namespace: expected lower-case letters, digits and hyphens.`,
  );
}

/** A domain name, or "*." before one for all below it; lower case, without the last dot. */
export function domain(): ValueParser<"sync", string> {
  return valueOf(
    "DOMAIN",
    "shop.example",
    parseDomain,
    (name) => name,
    (input) =>
      message`${
        value(input)
      } is not a valid domain name: expected one such as shop.example or ${"*.shop.example"}.`,
  );
}

/** The name of a container in a pod. */
export function containerName(): ValueParser<"sync", string> {
  return valueOf(
    "NAME",
    "app",
    (input) => LABEL.test(input) ? input : undefined,
    (name) => name,
    (input) =>
      message`${
        value(input)
      } is not a valid container name: expected lower-case letters, digits and hyphens.`,
  );
}

/** The name of a context in the kubeconfig. */
export function contextName(): ValueParser<"sync", string> {
  return nonEmpty("CONTEXT", "dev", "context: expected one of those that kubectl config get-contexts lists");
}

/** Paths of files, with colons between several. */
export function filePath(): ValueParser<"sync", string> {
  return nonEmpty("FILE", "config", "file: expected a path");
}

/** The name of a container image. */
export function imageName(): ValueParser<"sync", string> {
  return valueOf(
    "IMAGE",
    "registry.example/pmz:1",
    (input) => /^[\w][\w.:/@-]{0,511}$/.test(input) ? input : undefined,
    (name) => name,
    (input) =>
      message`${
        value(input)
      } is not a valid image: expected one such as registry.example/denoland/deno:2.9.6.`,
  );
}

/** A pattern of names, in which "*" stands for any characters. */
export function pattern(): ValueParser<"sync", string> {
  return nonEmpty("PATTERN", "*prod*", 'pattern of contexts: expected one such as "*prod*"');
}

function nonEmpty(metavar: string, placeholder: string, expected: string): ValueParser<"sync", string> {
  const parse = (input: string) => input === "" ? undefined : input;
  return valueOf(
    metavar,
    placeholder,
    parse,
    (it) => it,
    (input) => message`${value(input)} is not a valid ${text(expected)}.`,
  );
}

/** A range of addresses in CIDR notation; whether it makes sense is for the agent's manifests to say. */
export function cidr(): ValueParser<"sync", string> {
  const parse = (input: string) => /^[0-9a-fA-F.:]{2,45}\/[0-9]{1,3}$/.test(input) ? input : undefined;
  return valueOf(
    "CIDR",
    "10.1.0.0/16",
    parse,
    (range) => range,
    (input) => message`${value(input)} is not a valid range of addresses: expected one such as 10.1.0.0/16.`,
  );
}

export function account(): ValueParser<"sync", string> {
  return valueOf(
    "USER",
    "root",
    (input) => isAccountName(input) ? input : undefined,
    (name) => name,
    (input) => message`${value(input)} is not a valid name of an account: expected one such as root.`,
  );
}

/** "echo.default", or "echo" where no namespace was given. */
export function formatService(
  of: { readonly service: string; readonly namespace?: string | undefined },
): string {
  return of.namespace === undefined ? of.service : `${of.service}.${of.namespace}`;
}

function isNumber(input: string): boolean {
  return /^[1-9][0-9]{0,4}$/.test(input) && Number(input) < 65536;
}

function isPort(input: string): boolean {
  return isNumber(input) || PORT_NAME.test(input);
}

export function valueOf<T>(
  metavar: string,
  placeholder: T,
  parse: (input: string) => T | undefined,
  format: (parsed: T) => string,
  wrong: (input: string) => Message,
): ValueParser<"sync", T> {
  return {
    mode: "sync",
    metavar: metavar as ValueParser["metavar"],
    placeholder,
    format,
    parse(input) {
      const parsed = parse(input);
      return parsed === undefined
        ? { success: false, error: wrong(input) }
        : { success: true, value: parsed };
    },
  };
}
