/**
 * What a node has for all tenants (namespaces) is divided max-min fairly: each gets what it wants up to an equal share, and
 * what some don't want is divided among the others. So a tenant that wants everything leaves the others their shares.
 */

/**
 * How many of `capacity` places each tenant gets.
 * @param wanted how many it wants; where places are left that can't be divided equally, those named first get one more
 */
export function fairShares(wanted: ReadonlyMap<string, number>, capacity: number): Map<string, number> {
  const shares = new Map<string, number>();
  let left = capacity;
  let unserved = wanted.size;
  for (const [tenant, wants] of [...wanted].sort(([, a], [, b]) => a - b)) {
    const share = Math.min(wants, Math.floor(left / unserved));
    shares.set(tenant, share);
    left -= share;
    unserved--;
  }
  for (const [tenant, wants] of wanted) {
    const share = shares.get(tenant) ?? 0;
    if (left === 0 || share === wants) continue;
    shares.set(tenant, share + 1);
    left--;
  }
  return shares;
}

/**
 * Chooses up to `capacity` items in rounds, in each of which every tenant gets the next one that it wants. What another tenant
 * has chosen already costs it nothing.
 * @param wanted by tenant, the most wanted first
 */
export function fairChoice<T>(wanted: Iterable<Iterable<T>>, capacity: number): Set<T> {
  const chosen = new Set<T>();
  let queues = [...wanted].map((items) => [...new Set(items)].reverse());
  while (queues.length > 0) {
    for (const queue of queues) {
      let next = queue.pop();
      while (next !== undefined && chosen.has(next)) next = queue.pop();
      if (next === undefined) continue;
      if (chosen.size >= capacity) return chosen;
      chosen.add(next);
    }
    queues = queues.filter(({ length }) => length > 0);
  }
  return chosen;
}
