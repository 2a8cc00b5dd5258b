/**
 * Address ranges with a meaning of their own, which no cluster may claim for a Service or a pod. One table for three users: the
 * gateway never dials them, the helper never captures them, and no name leads to them.
 */
import { contains, parseRange, type Range } from "./range.ts";
import type { IpAddress } from "./address.ts";

/** The parts of pmz that refuse addresses. */
export type Refuser = "gateway" | "helper" | "names";

export interface SpecialRange {
  readonly range: Range;
  /** What the range is, for messages: "loopback". */
  readonly why: string;
  /** The RFC, or the vendor's own page. */
  readonly source: string;
  /** The refusers that make an exception, each with its reason. */
  readonly except: Readonly<Partial<Record<Refuser, string>>>;
}

type Row = readonly [range: string, why: string, source: string, except?: SpecialRange["except"]];

const DNS64 = {
  names:
    "a laptop behind NAT64 gets these from its own nameserver (DNS64, RFC 6147) for the internet's names",
};

/** The first match gives the reason, so a single address comes before the range around it. */
const rows: readonly Row[] = [
  // Metadata services: they hand out credentials to everything that can reach them.
  [
    "169.254.169.254",
    "the metadata service of AWS, Azure, Google Cloud, DigitalOcean, Hetzner and most other clouds",
    "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html",
  ],
  [
    "fd00:ec2::/64",
    "a service of AWS to its instances: metadata, Pod Identity, DNS, time",
    "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html",
  ],
  [
    "169.254.170.2",
    "the task metadata service of AWS ECS",
    "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v2.html",
  ],
  [
    "169.254.170.23",
    "the Pod Identity agent of AWS EKS",
    "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
  ],
  [
    "168.63.129.16",
    "the platform service of Azure (WireServer)",
    "https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16",
  ],
  [
    "fd20:ce::254",
    "the metadata service of Google Cloud",
    "https://cloud.google.com/compute/docs/metadata/querying-metadata",
  ],
  [
    "100.100.100.200",
    "the metadata service of Alibaba Cloud",
    "https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata",
  ],
  [
    "fd00:100::100:200",
    "the metadata service of Alibaba Cloud",
    "https://github.com/canonical/cloud-init/pull/6893",
  ],
  [
    "192.0.0.192",
    "the metadata service of Oracle Cloud (Classic)",
    "https://docs.oracle.com/en/cloud/iaas-classic/compute-iaas-cloud/stcsg/retrieving-instance-metadata.html",
  ],
  [
    "fd00:c1::a9fe:a9fe",
    "the metadata service of Oracle Cloud",
    "https://github.com/oracle/oci-python-sdk/blob/master/src/oci/auth/signers/instance_principals_security_token_signer.py",
  ],
  [
    "169.254.42.42",
    "the metadata service of Scaleway",
    "https://docs.cloud-init.io/en/latest/reference/datasources/scaleway.html",
  ],
  [
    "fd00:42::42",
    "the metadata service of Scaleway",
    "https://docs.cloud-init.io/en/latest/reference/datasources/scaleway.html",
  ],
  [
    "169.254.0.23",
    "the metadata service of Tencent Cloud",
    "https://www.tencentcloud.com/document/product/213/4934",
  ],
  [
    "fd00:a9fe:a9fe::1",
    "the metadata service of Akamai (Linode)",
    "https://techdocs.akamai.com/cloud-computing/docs/metadata-service-api",
  ],
  [
    "fe80::a9fe:a9fe",
    "the metadata service of OpenStack and Akamai",
    "https://docs.openstack.org/nova/latest/user/metadata.html",
  ],
  // Of the machine itself, and of its own networks.
  ["0.0.0.0/8", "this host on this network", "RFC 1122 §3.2.1.3"],
  ["127.0.0.0/8", "loopback", "RFC 1122 §3.2.1.3"],
  ["169.254.0.0/16", "link-local, where clouds answer with credentials", "RFC 3927"],
  ["100.100.100.100", "this machine itself to Tailscale", "https://tailscale.com/kb/1381/what-is-quad100"],
  ["fd7a:115c:a1e0::53", "this machine itself to Tailscale", "https://tailscale.com/kb/1381/what-is-quad100"],
  ["::/128", "the unspecified address", "RFC 4291 §2.5.2"],
  ["::1/128", "loopback", "RFC 4291 §2.5.3"],
  ["fe80::/10", "link-local", "RFC 4291 §2.5.6"],
  // Of more than one host, or of none.
  ["224.0.0.0/4", "multicast", "RFC 1112"],
  ["240.0.0.0/4", "reserved, or broadcast", "RFC 1112, RFC 919"],
  ["ff00::/8", "multicast", "RFC 4291 §2.7"],
  // An IPv4 address can hide in each of these, and be reached through a translator.
  ["::/96", "an IPv4-compatible form", "RFC 4291 §2.5.5.1"],
  ["::ffff:0:0:0/96", "an IPv4-translated form", "RFC 2765 §2.1"],
  ["64:ff9b::/96", "NAT64", "RFC 6052", DNS64],
  ["64:ff9b:1::/48", "NAT64", "RFC 8215", DNS64],
  ["2001::/32", "Teredo", "RFC 4380"],
  ["2002::/16", "6to4", "RFC 3056"],
];

export const specialRanges: readonly SpecialRange[] = rows.map(([range, why, source, except = {}]) => ({
  range: literalRange(range),
  why,
  source,
  except,
}));

const refused: Readonly<Record<Refuser, readonly SpecialRange[]>> = {
  gateway: refusedBy("gateway"),
  helper: refusedBy("helper"),
  names: refusedBy("names"),
};

/** Why an address is refused by its range alone: "loopback"; undefined when its range says nothing against it. */
export function whyRefused(by: Refuser, address: IpAddress): string | undefined {
  return refused[by].find(({ range }) => contains(range, address))?.why;
}

function refusedBy(refuser: Refuser): SpecialRange[] {
  return specialRanges.filter(({ except }) => except[refuser] === undefined);
}

/** Ranges that no host of the internet has: clusters use them, and the helper captures them without being asked for each. */
export const privateRanges: readonly Range[] = [
  "10.0.0.0/8", // RFC 1918
  "172.16.0.0/12", // RFC 1918
  "192.168.0.0/16", // RFC 1918
  "100.64.0.0/10", // RFC 6598: shared address space, which clouds give to pods
  "198.19.0.0/16", // RFC 2544: benchmarking; the other half, 198.18.0.0/16, has pmz's own addresses
  "fc00::/7", // RFC 4193: unique local
].map(literalRange);

const linkLocal = ["169.254.0.0/16", "fe80::/10"].map(literalRange); // RFC 3927, RFC 4291 §2.5.6

/** Whether an address means another host on each network: a socket needs the interface too. */
export function isLinkLocal(address: IpAddress): boolean {
  return linkLocal.some((range) => contains(range, address));
}

function literalRange(text: string): Range {
  const range = parseRange(text);
  if (!range) throw new TypeError(`"${text}" is not a valid range`);
  return range;
}
