/**
 * Places that groups share, and the members of each group: a member may take one as long as it has fewer than are left beyond
 * what its group has. So one that wants all gets a third, leaves as much to the other members of its group, and there is always
 * room for groups that have few, however many members a larger one has. {@linkcode Places} for two levels.
 */
export class NestedPlaces {
  readonly #most: number;
  readonly #groups = new Map<string, Group>();
  #taken = 0;

  /** @param most how many there are */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes one or more, unless the member or its group would have more than its share; `leave` gives them back. */
  enter(group: string, member: string, count = 1): boolean {
    const of: Group = this.#groups.get(group) ?? { taken: 0, members: new Map() };
    const owned = (of.members.get(member) ?? 0) + count;
    if (owned + of.taken > this.#most - this.#taken) return false;
    of.members.set(member, owned);
    of.taken += count;
    this.#taken += count;
    this.#groups.set(group, of);
    return true;
  }

  leave(group: string, member: string, count = 1): void {
    const of = this.#groups.get(group);
    const owned = of?.members.get(member) ?? 0;
    if (of === undefined || owned < count) return;
    if (owned > count) of.members.set(member, owned - count);
    else of.members.delete(member);
    of.taken -= count;
    if (of.taken === 0) this.#groups.delete(group);
    this.#taken -= count;
  }
}

/** What one group has. */
interface Group {
  taken: number;
  readonly members: Map<string, number>;
}
