// What the programs on a laptop share. Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define MAPPED bpf_htonl(0xffff) // the third word of ::ffff:a.b.c.d
#define LOOPBACK4 bpf_htonl(0x7f000001)

struct address {
	__u32 word[4];
};

static __always_inline struct address mapped(__u32 ip4) {
	return (struct address){{0, 0, MAPPED, ip4}};
}

static __always_inline struct address words(__u32 a, __u32 b, __u32 c, __u32 d) {
	return (struct address){{a, b, c, d}};
}

static __always_inline int same(const struct address *a, const struct address *b) {
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

static __always_inline __u32 current_uid(void) {
	return (__u32)bpf_get_current_uid_gid();
}
