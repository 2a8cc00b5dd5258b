package main

import (
	"fmt"
	"strings"
)

const (
	nodes      = 120
	namespaces = 40
	// Pods of a Service.
	endpoints = 3
	// No kube-proxy serves these Services: its rules for so many would be what is measured.
	proxyLabel = "service.kubernetes.io/service-proxy-name"
	// By it, namespaces and nodes are found.
	label = "pmz.test/scale"
)

func nodeName(i int) string      { return fmt.Sprintf("scale-%03d", i%nodes) }
func namespaceName(i int) string { return fmt.Sprintf("scale-%02d", i%namespaces) }
func serviceName(i int) string   { return fmt.Sprintf("service-%05d", i) }

// Service i has pods 3i to 3i+2, and all of them are in its namespace.
func podNamespace(i int) string { return namespaceName(i / endpoints) }

func podName(i, generation int) string { return fmt.Sprintf("pod-%05d-%d", i, generation) }

// podAddress is one of 10.128.0.0/10, where the test cluster has nothing.
func podAddress(i, generation int) string {
	at := i + generation*1000
	if generation > 0 {
		at += 60_000
	}
	return fmt.Sprintf("10.%d.%d.%d", 128+at/62_500, at%62_500/250, at%250+1)
}

func podsPath(namespace string) string { return "/api/v1/namespaces/" + namespace + "/pods" }
func servicesPath(namespace string) string {
	return "/api/v1/namespaces/" + namespace + "/services"
}
func slicesPath(namespace string) string {
	return "/apis/discovery.k8s.io/v1/namespaces/" + namespace + "/endpointslices"
}

func node(i int) object {
	return object{
		"apiVersion": "v1", "kind": "Node",
		"metadata": object{"name": nodeName(i), "labels": object{label: "true"}},
		"spec":     object{"unschedulable": true},
	}
}

func namespace(i int) object {
	return object{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": object{"name": namespaceName(i), "labels": object{label: "true"}},
	}
}

// account lets pods be created before the controller has made the namespace's own.
func account() object {
	return object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": "default"}}
}

func pod(i, generation int) object {
	variables := make([]object, 14)
	for v := range variables {
		variables[v] = object{"name": fmt.Sprintf("SETTING_%02d", v), "value": strings.Repeat("value", 6)}
	}
	probe := object{"httpGet": object{"path": "/healthz", "port": 8080}, "periodSeconds": 10}
	return object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object{
			"name": podName(i, generation),
			"labels": object{
				"app.kubernetes.io/name": serviceName(i / endpoints), "app.kubernetes.io/part-of": "scale",
				"pod-template-hash": fmt.Sprintf("%010d", generation),
			},
			"annotations": object{"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
		},
		"spec": object{
			"nodeName":                      nodeName(i),
			"automountServiceAccountToken":  false,
			"terminationGracePeriodSeconds": 0,
			// Its node never reports: nothing is to evict the pod for that.
			"tolerations": []object{{"operator": "Exists"}},
			"containers": []object{{
				"name": "app", "image": "registry.example/team/app:2026-11-30", "env": variables,
				"ports":          []object{{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}},
				"resources":      object{"requests": object{"cpu": "10m", "memory": "64Mi"}},
				"readinessProbe": probe, "livenessProbe": probe,
				"volumeMounts": []object{{"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/config"}},
			}},
			"volumes": []object{
				{"name": "data", "emptyDir": object{}},
				{"name": "config", "configMap": object{"name": "config", "optional": true}},
			},
		},
	}
}

// podStatus is what a kubelet would report of a pod that has restarted so many times.
func podStatus(i, generation, restarts int) object {
	address := podAddress(i, generation)
	condition := func(name string) object { return object{"type": name, "status": "True"} }
	return object{"status": object{
		"phase": "Running", "podIP": address, "podIPs": []object{{"ip": address}}, "hostIP": "10.77.200.1",
		"conditions": []object{condition("Initialized"), condition("Ready"), condition("ContainersReady"), condition("PodScheduled")},
		"containerStatuses": []object{{
			"name": "app", "ready": true, "started": true, "restartCount": restarts,
			"image": "registry.example/team/app:2026-11-30", "imageID": "sha256:" + strings.Repeat("0a", 32),
			"state": object{"running": object{"startedAt": "2026-11-30T10:00:00Z"}},
		}},
	}}
}

func service(i int) object {
	return object{
		"apiVersion": "v1", "kind": "Service",
		"metadata": object{
			"name":   serviceName(i),
			"labels": object{"app.kubernetes.io/name": serviceName(i), proxyLabel: "none"},
		},
		// Without a selector: the slices are made here, and not by the controller.
		"spec": object{"ports": []object{
			{"name": "http", "port": 80, "targetPort": 8080}, {"name": "metrics", "port": 9090, "targetPort": 9090},
		}},
	}
}

func slice(i int) object {
	return object{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
		"metadata": object{
			"name": serviceName(i) + "-1",
			"labels": object{
				"kubernetes.io/service-name": serviceName(i), proxyLabel: "none",
				"endpointslice.kubernetes.io/managed-by": "scale.pmz.test",
			},
		},
		"addressType": "IPv4",
		"ports":       []object{{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "metrics", "port": 9090, "protocol": "TCP"}},
		"endpoints":   sliceEndpoints(i, [endpoints]int{}),
	}
}

// sliceEndpoints are a Service's pods, each of its generation.
func sliceEndpoints(i int, generations [endpoints]int) []object {
	all := make([]object, endpoints)
	for e, generation := range generations {
		at := i*endpoints + e
		all[e] = object{
			"addresses":  []string{podAddress(at, generation)},
			"conditions": object{"ready": true, "serving": true, "terminating": false},
			"nodeName":   nodeName(at),
			"targetRef":  object{"kind": "Pod", "namespace": podNamespace(at), "name": podName(at, generation)},
		}
	}
	return all
}
