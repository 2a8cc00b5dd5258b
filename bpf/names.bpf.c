// Sends one user's DNS queries for the configured nameservers to the daemon's stubs, and makes the
// answers seem to come from the nameserver that was asked. On the laptop's root cgroup; helper/name_hooks.ts
// loads it, one copy for each user; its bpf_links are the helper's and go with it.
#include "laptop.h"

#define NAMESERVERS 32
#define STALE_NS 2000000000ULL
#define DNS bpf_htons(53)
#define LOOPBACK4_MASK bpf_htonl(0xff000000)

struct endpoint {
	struct address address;
	__u32 port; // network order, in the low half
};

// nameserver -> the daemon's stub for it; helper writes
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAMESERVERS);
	__type(key, struct address);
	__type(value, struct endpoint);
} stubs SEC(".maps");

// stub -> its nameserver; helper writes
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAMESERVERS);
	__type(key, struct endpoint);
	__type(value, struct address);
} nameservers SEC(".maps");

// 0 -> CLOCK_MONOTONIC in ns of the daemon's last beat; its names worker writes, through mmap
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} beat SEC(".maps");

static __always_inline int is_link_local(const struct address *end) {
	return (end->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

// Whether a socket of this netns is about to reach a stub.
static __always_inline int is_stub(struct bpf_sock_addr *ctx, const struct address *to) {
	int is_loopback = is_mapped(to) ? (to->word[3] & LOOPBACK4_MASK) == (LOOPBACK4 & LOOPBACK4_MASK)
					: !to->word[0] && !to->word[1] && !to->word[2];
	if (!is_loopback)
		return 0;
	struct endpoint end = {.address = *to, .port = ctx->user_port};
	return bpf_map_lookup_elem(&nameservers, &end) != 0;
}

// A query on its way out, by connect or by a socket that isn't connected: to the stub, if there's one. The
// stubs are the user's: others who send there are refused, so that no other account fills their queues.
static __always_inline int ask(struct bpf_sock_addr *ctx, int family) {
	__u32 zero = 0;
	struct settings *set = config_here(ctx);
	if (!set)
		return 1;
	struct address to = other_end(ctx, family);
	if (!is_user(set))
		return !is_stub(ctx, &to);
	if (ctx->user_port != DNS || !set->daemon || set->daemon == current_process())
		return 1;
	struct endpoint *found = bpf_map_lookup_elem(&stubs, &to);
	if (!found || is_mapped(&to) != is_mapped(&found->address))
		return 1;
	struct bpf_sock *sk = ctx->sk;
	if (!sk || sk->bound_dev_if) // who asks by a device means that device
		return 1;
	__u64 *last = bpf_map_lookup_elem(&beat, &zero);
	if (!last || bpf_ktime_get_ns() - *last > STALE_NS) // unsigned: a beat from the future doesn't count
		return 1;
	set_other_end(ctx, family, &found->address, found->port);
	return 1;
}

// What a caller is told of the other end: the sender of an answer, the peer of a connected socket.
static __always_inline int tell(struct bpf_sock_addr *ctx, int family) {
	struct endpoint from = {.address = other_end(ctx, family), .port = ctx->user_port};
	struct address *asked = bpf_map_lookup_elem(&nameservers, &from);
	if (!asked)
		return 1;
	struct settings *set = config_here(ctx);
	if (set && is_user(set) && set->daemon != current_process())
		set_other_end(ctx, family, asked, DNS);
	return 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx) {
	return ask(ctx, AF_INET);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx) {
	return ask(ctx, AF_INET6);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx) {
	return ask(ctx, AF_INET);
}

// Of a socket that isn't connected the kernel has read the device of a link-local address by now, and finds
// no way to a loopback address there: such a query passes.
SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx) {
	struct address to = other_end(ctx, AF_INET6);
	return is_link_local(&to) ? 1 : ask(ctx, AF_INET6);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx) {
	return tell(ctx, AF_INET);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx) {
	return tell(ctx, AF_INET6);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx) {
	return tell(ctx, AF_INET);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx) {
	return tell(ctx, AF_INET6);
}

char _license[] SEC("license") = "GPL";
