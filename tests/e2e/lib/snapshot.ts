/** Lines that come and go by themselves: what they would tell is no difference that matters. */
const passing = [
  /^files: .* \/(home\/\w+\/\.kube\/cache|home\/\w+\/\.cache\/pmz|run\/sudo)(\/| |$)/, // caches; sudo's memory of a password
  /^files: .* \/tmp\/(v8-|deno-)/,
  /^files: .* \/home\/\w+\/(\.cache|\.local(\/state(\/pmz(\/daemon\.(log|lock))?)?)?)$/, // logs and locks, which are to stay
  /^processes: .* <defunct>$/, // has ended; whoever has to notice hasn't yet
  /^files: .* \/run\/pmz(\/slot-\d+|\/\d+(\/(helper\.log(\.1)?|lock|starting|cleaning))?)?$/,
  // pmz's own: log, lock, custom domains, and the socket's name, which the next daemon takes over
  /^files: .* (\/home\/\w+\/\.local(\/state(\/pmz(\/.*)?)?)?|\/run\/pmz(\/slot-\d+|\/\d+(\/(lock|starting|cleaning|helper\.log(\.1)?))?)?)$/,
];

/** What a laptop's network, processes and files were at one time, as lines under headings. */
export class Snapshot {
  /**
   * Prints all of it, as root on the laptop. Process ids, counters and times are left out. BPF programs know no
   * namespaces; but one that lasts is held by a link, a cgroup, a pin or a process, and those are the laptop's own.
   */
  static readonly script = `
    processes=$(find /sys/fs/cgroup/pids /sys/fs/cgroup/unified -name cgroup.procs -exec cat {} + | grep -vx $$ | sort -un | paste -sd,)
    under() { sed "s/^/$1: /" ; }
    ip rule | under 'rules'; ip -6 rule | under 'rules 6'
    ip route show table all | grep -v 'proto kernel.*fe80' | under 'routes'
    ip -6 route show table all | sed 's/ expires [0-9]*sec//' | under 'routes 6'
    ip -o link | sed 's/^[0-9]*: //; s/@if[0-9]*//' | under 'links'
    ip -o addr | awk '{ print $2, $3, $4 }' | under 'addresses'
    nft -s list ruleset 2>/dev/null | under 'nft'
    ss -tulnpH | sed 's/pid=[0-9]*,fd=[0-9]*//g' | awk '{ print $1, $2, $5, $6, $7 }' | under 'sockets'
    ss -tanH | awk '$1 != "LISTEN" && $1 != "TIME-WAIT" { print $1, $4, $5 }' | under 'connections'
    ss -xlnH | awk '{ print $5 }' | sed 's/^\\* *$//' | under 'unix'
    readlink /proc/self/ns/net | under 'netns'
    bpftool -j link 2>/dev/null | under 'json links'
    find /sys/fs/bpf -mindepth 1 | under 'bpf pins'
    bpftool cgroup tree /sys/fs/cgroup/unified 2>/dev/null | under 'bpf on cgroups'
    grep -s . /proc/sys/net/ipv[46]/conf/all/* /proc/sys/net/ipv[46]/conf/default/* /proc/sys/net/ipv[46]/conf/lo/* |
      grep -v stable_secret | under 'sysctl'
    awk '{ print $2, $3 }' /proc/self/mounts | under 'mounts'
    for file in /etc/resolv.conf /etc/hosts /etc/nsswitch.conf; do sed "s#^#$file: #" "$file"; done 2>/dev/null
    ps -o user=,args= -p "$processes" | grep -v 'under() {' | under 'processes'
    # What the outside shows a laptop below /home and /tmp (the world's own folder, if it's there) is on the same file system.
    prune=$(awk '$2 ~ "^/(home|tmp|var/tmp)/." { printf "-path %s -prune -o ", $2 }' /proc/self/mounts)
    find /home /run /tmp /var/tmp /etc /usr/local/bin /var/lib/pmz -xdev $prune -printf '%M %u:%g %s %p\\n' 2>/dev/null |
      awk '$1 ~ /^d/ { $3 = "-" } { print }' | under 'files'`;

  private constructor(readonly lines: readonly string[]) {}

  /** Makes a snapshot of what {@linkcode Snapshot.script} printed. */
  static parse(text: string): Snapshot {
    const netns = Number(/^netns: net:\[(\d+)\]$/m.exec(text)?.[1] ?? 0);
    const lines = text.split("\n").flatMap((line) => bpfLines(line, netns)).filter((line) =>
      line !== "" && !passing.some((pattern) => pattern.test(line))
    );
    return new Snapshot(lines.sort());
  }

  /**
   * What is there in `later` and was not here (+), or the other way round (-); empty where nothing differs.
   *
   * @param apart lines that may differ
   */
  diff(later: Snapshot, apart?: RegExp): string {
    const marked = [
      ...surplus(this.lines, later.lines).map((line) => ({ mark: "-", line })),
      ...surplus(later.lines, this.lines).map((line) => ({ mark: "+", line })),
    ];
    return marked.filter(({ line }) => !apart?.test(line)).sort((one, other) =>
      one.line < other.line ? -1 : 1
    ).map(({ mark, line }) => `${mark} ${line}`).join("\n");
  }

  /** The lines under a heading, without it: `under("rules")`. */
  under(heading: string): string[] {
    return this.lines.filter((line) => line.startsWith(`${heading}: `)).map((line) =>
      line.slice(heading.length + 2)
    );
  }
}

/** What bpftool printed of links as JSON, as lines for those of one network namespace; other lines as they are. */
function bpfLines(line: string, netns: number): string[] {
  const [, json] = /^json links: (.*)$/.exec(line) ?? [];
  if (json === undefined) return [line];
  const links = JSON.parse(json) as Record<string, unknown>[];
  return links.filter((link) => link.netns_ino === netns).map(({ attach_type }) =>
    `bpf links: ${attach_type}`
  );
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
