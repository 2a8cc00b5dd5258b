/**
 * Why a name never leads to a cluster; undefined when it may.
 * @param name lower case, without a dot at its end; "*." before one for all below it
 * @param hostname of this machine, likewise
 */
export function whyReserved(name: string, hostname: string): string | undefined {
  const labels = name.split(".");
  if (labels.at(-1) === "localhost") return "it always means this machine (RFC 6761)";
  if (labels[0] === "wpad") return "programs look for the settings of a proxy there";
  if (name === "use-application-dns.net") return "browsers look there whether to use DNS over HTTPS";
  if (hostname !== "" && (name === hostname || name === hostname.split(".")[0])) {
    return "this machine is called that";
  }
  return undefined;
}
