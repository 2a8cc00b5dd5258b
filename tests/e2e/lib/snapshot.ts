/** Lines that come and go by themselves: what they would tell is no difference that matters. */
const passing = [
  /^files: .* \/(home\/\w+\/\.kube\/cache|home\/\w+\/\.cache\/pmz|run\/sudo)(\/| |$)/, // caches; sudo's memory of a password
  /^files: .* \/tmp\/(v8-|deno-)/,
];

/** What a laptop's network, processes and files were at one time, as lines under headings. */
export class Snapshot {
  /**
   * Prints all of it, as root on the laptop. Process ids, counters and times are left out. BPF programs are the whole
   * machine's (they know no namespaces), so only the types that pmz loads are listed, and links only of this netns.
   */
  static readonly script = `
    under() { sed "s/^/$1: /" ; }
    ip rule | under 'rules'; ip -6 rule | under 'rules 6'
    ip route show table all | grep -v 'proto kernel.*fe80' | under 'routes'
    ip -6 route show table all | sed 's/ expires [0-9]*sec//' | under 'routes 6'
    ip -o link | sed 's/^[0-9]*: //; s/@if[0-9]*//' | under 'links'
    ip -o addr | awk '{ print $2, $3, $4 }' | under 'addresses'
    nft list ruleset 2>/dev/null | under 'nft'
    ss -tulnpH | sed 's/pid=[0-9]*,fd=[0-9]*//g' | awk '{ print $1, $2, $5, $6, $7 }' | under 'sockets'
    ss -tanH | awk '$1 != "LISTEN" && $1 != "TIME-WAIT" { print $1, $4, $5 }' | under 'connections'
    ss -xlnH | awk '{ print $5 }' | sed 's/^\\* *$//' | under 'unix'
    netns=$(readlink /proc/self/ns/net | tr -dc 0-9)
    bpftool -j link 2>/dev/null | python3 -c '
import json, sys
for link in json.load(sys.stdin):
    if link.get("netns_ino", int(sys.argv[1])) == int(sys.argv[1]):
        print(link["type"], link.get("attach_type", ""), link.get("cgroup_id", ""))' "$netns" | under 'bpf links'
    bpftool -j prog 2>/dev/null | python3 -c '
import json, sys
for program in json.load(sys.stdin):
    if program["type"] in ("sk_lookup", "cgroup_sock_addr", "cgroup_sock", "cgroup_skb", "sk_msg", "sock_ops"):
        print(program["id"], program["type"], program.get("name", ""))' | under 'bpf programs'
    bpftool cgroup tree /sys/fs/cgroup/unified 2>/dev/null | under 'bpf on cgroups'
    sysctl -a --pattern '^net.ipv[46].conf.(all|default|lo)\\.' 2>/dev/null | grep -v stable_secret | under 'sysctl'
    awk '{ print $2, $3 }' /proc/self/mounts | under 'mounts'
    for file in /etc/resolv.conf /etc/hosts /etc/nsswitch.conf; do sed "s#^#$file: #" "$file"; done 2>/dev/null
    for process in $(find /sys/fs/cgroup/pids -name cgroup.procs -exec cat {} + 2>/dev/null || cat /sys/fs/cgroup/unified/cgroup.procs); do
      [ "$process" = $$ ] || [ "$(ps -o ppid= -p "$process" 2>/dev/null | tr -d ' ')" = $$ ] || ps -o user=,args= -p "$process"
    done | under 'processes'
    find /home /run /tmp /var/tmp /etc /usr/local/bin /var/lib/pmz -xdev -printf '%M %u:%g %s %p\\n' 2>/dev/null |
      awk '$1 ~ /^d/ { $3 = "-" } { print }' | under 'files'`;

  private constructor(readonly lines: readonly string[]) {}

  /** Makes a snapshot of what {@linkcode Snapshot.script} printed. */
  static parse(text: string): Snapshot {
    const lines = text.split("\n").filter((line) =>
      line !== "" && !passing.some((pattern) => pattern.test(line))
    );
    return new Snapshot(lines.sort());
  }

  /** What is there in `later` and was not here (+), or the other way round (-); empty where nothing differs. */
  diff(later: Snapshot): string {
    const marked = [
      ...surplus(this.lines, later.lines).map((line) => ({ mark: "-", line })),
      ...surplus(later.lines, this.lines).map((line) => ({ mark: "+", line })),
    ];
    return marked.sort((one, other) => one.line < other.line ? -1 : 1).map(({ mark, line }) =>
      `${mark} ${line}`
    ).join("\n");
  }

  /** The lines under a heading, without it: `under("rules")`. */
  under(heading: string): string[] {
    return this.lines.filter((line) => line.startsWith(`${heading}: `)).map((line) =>
      line.slice(heading.length + 2)
    );
  }
}

/** Lines of `from`, each as many times as it is there more often than in `than`. */
function surplus(from: readonly string[], than: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of than) left.set(line, (left.get(line) ?? 0) + 1);
  return from.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}
