package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// fill creates all there is, the pods as running ones.
func fill(a *api, o options) error {
	if err := each(nodes, func(i int) error { return a.create("/api/v1/nodes", node(i)) }); err != nil {
		return err
	}
	err := each(namespaces, func(i int) error {
		if err := a.create("/api/v1/namespaces", namespace(i)); err != nil {
			return err
		}
		return a.create("/api/v1/namespaces/"+namespaceName(i)+"/serviceaccounts", account())
	})
	if err != nil {
		return err
	}
	if err := each(o.pods, func(i int) error { return start(a, i, 0) }); err != nil {
		return err
	}
	return each(o.services, func(i int) error {
		if err := a.create(servicesPath(namespaceName(i)), service(i)); err != nil {
			return err
		}
		return a.create(slicesPath(namespaceName(i)), slice(i))
	})
}

// start creates a pod that looks like a running one.
func start(a *api, i, generation int) error {
	path := podsPath(podNamespace(i))
	if err := a.create(path, pod(i, generation)); err != nil {
		return err
	}
	return a.patch(statusPath(i, generation), podStatus(i, generation, 0))
}

func statusPath(i, generation int) string {
	return podsPath(podNamespace(i)) + "/" + podName(i, generation) + "/status"
}

// touch updates statuses at a rate. Pods that were replaced are left alone: they are the first ones.
func touch(a *api, o options) error {
	count := int(float64(o.rate) * o.seconds)
	first := min(o.replaced*endpoints, o.pods-1)
	return paced(count, o.seconds, func(i int) error {
		at := first + i%(o.pods-first)
		return a.patch(statusPath(at, 0), podStatus(at, 0, 1+rand.IntN(1_000_000)))
	})
}

// rollout replaces the first pod of as many Services, as a Deployment does: the new one comes before the old one goes.
func rollout(a *api, o options) error {
	if o.generation < 1 || o.replaced > min(o.services, 1000) {
		return fmt.Errorf("a rollout has a generation from 1 on, and at most 1,000 pods, of as many Services")
	}
	return paced(o.replaced, o.seconds, func(i int) error {
		at := i * endpoints
		if err := start(a, at, o.generation); err != nil {
			return err
		}
		var generations [endpoints]int
		generations[0] = o.generation
		path := slicesPath(namespaceName(i)) + "/" + serviceName(i) + "-1"
		if err := a.patch(path, object{"endpoints": sliceEndpoints(i, generations)}); err != nil {
			return err
		}
		return a.remove(podsPath(podNamespace(at)) + "/" + podName(at, o.generation-1))
	})
}

// paced begins so many pieces of work evenly over the time.
func paced(count int, seconds float64, work func(int) error) error {
	began := time.Now()
	step := time.Duration(seconds / float64(max(count, 1)) * float64(time.Second))
	return each(count, func(i int) error {
		time.Sleep(time.Until(began.Add(time.Duration(i) * step)))
		return work(i)
	})
}

// empty takes all of it away, also what an earlier fill left that was interrupted.
func empty(a *api, _ options) error {
	err := each(namespaces, func(i int) error {
		name := namespaceName(i)
		for _, path := range []string{slicesPath(name), servicesPath(name), podsPath(name)} {
			if err := a.removeAll(path); err != nil {
				return err
			}
		}
		return a.remove("/api/v1/namespaces/" + name)
	})
	if err != nil {
		return err
	}
	return each(nodes, func(i int) error { return a.remove("/api/v1/nodes/" + nodeName(i)) })
}
