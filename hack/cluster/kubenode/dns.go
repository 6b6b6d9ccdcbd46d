package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// newDNSCommand makes the cluster's name server: IPv4 addresses of Services,
// headless ones and their named endpoints included. CoreDNS would raise the
// versions of gRPC and x/net above those that Kubernetes is built with.
func newDNSCommand() *cobra.Command {
	var kubeconfig, listen, domain string
	cmd := &cobra.Command{
		Use:          "dns",
		Short:        "Answer for the names of the cluster's Services",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return fmt.Errorf("read kubeconfig %s: %w", kubeconfig, err)
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return fmt.Errorf("use kubeconfig %s: %w", kubeconfig, err)
			}
			factory := informers.NewSharedInformerFactory(client, 0)
			answers := resolver{
				zone:      ".svc." + domain + ".",
				services:  factory.Core().V1().Services().Lister(),
				endpoints: factory.Discovery().V1().EndpointSlices().Lister(),
			}
			factory.Start(cmd.Context().Done())
			factory.WaitForCacheSync(cmd.Context().Done())
			return answers.serve(listen)
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "file that says how to reach the API server")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:53", "UDP address to answer on")
	cmd.Flags().StringVar(&domain, "domain", "cluster.local", "domain of the cluster")
	return cmd
}

// errNoSuchName makes the answer NXDOMAIN.
var errNoSuchName = errors.New("no such name")

type resolver struct {
	zone      string // what every name ends with, from its leading dot to its final one
	services  corelisters.ServiceLister
	endpoints discoverylisters.EndpointSliceLister
}

func (r resolver) serve(listen string) error {
	socket, err := net.ListenPacket("udp4", listen)
	if err != nil {
		return err
	}
	packet := make([]byte, 1232) // what DNS over UDP may carry without fragments
	for {
		size, client, err := socket.ReadFrom(packet)
		if err != nil {
			return err
		}
		reply, err := r.answer(packet[:size])
		if err != nil {
			log.Printf("query of %d bytes from %s: %v", size, client, err)
			continue
		}
		if _, err := socket.WriteTo(reply, client); err != nil {
			log.Printf("reply to %s: %v", client, err)
		}
	}
}

// answer takes a packed query and gives the packed reply. A name that exists
// without an address of the type asked for gets an empty answer, not
// NXDOMAIN: resolvers ask for AAAA beside A and give up on NXDOMAIN.
func (r resolver) answer(query []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(query); err != nil {
		return nil, err
	}
	if len(message.Questions) != 1 {
		return nil, fmt.Errorf("%d questions instead of one", len(message.Questions))
	}
	question := message.Questions[0]
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: message.ID, Response: true, Authoritative: true,
			RecursionDesired: message.RecursionDesired, RecursionAvailable: true,
		},
		Questions: message.Questions,
	}
	addresses, err := r.lookup(strings.ToLower(question.Name.String()))
	switch {
	case errors.Is(err, errNoSuchName):
		reply.RCode = dnsmessage.RCodeNameError
	case err != nil:
		log.Printf("%s: %v", question.Name, err)
		reply.RCode = dnsmessage.RCodeServerFailure
	case question.Type == dnsmessage.TypeA || question.Type == dnsmessage.TypeALL:
		for _, address := range addresses {
			ip := net.ParseIP(address).To4()
			if ip == nil {
				continue
			}
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte(ip)},
			})
		}
	}
	return reply.Pack()
}

// lookup knows SERVICE.NAMESPACE and HOSTNAME.SERVICE.NAMESPACE inside the zone.
func (r resolver) lookup(name string) ([]string, error) {
	inside, ours := strings.CutSuffix(name, r.zone)
	if !ours {
		return nil, errNoSuchName
	}
	labels := strings.Split(inside, ".")
	hostname := ""
	if len(labels) == 3 {
		hostname, labels = labels[0], labels[1:]
	}
	if len(labels) != 2 {
		return nil, errNoSuchName
	}
	service, err := r.services.Services(labels[1]).Get(labels[0])
	if apierrors.IsNotFound(err) {
		return nil, errNoSuchName
	}
	if err != nil {
		return nil, err
	}
	if hostname == "" && service.Spec.ClusterIP != corev1.ClusterIPNone {
		return service.Spec.ClusterIPs, nil
	}
	return r.ready(service, hostname)
}

// ready lists the addresses of a headless Service's ready endpoints, or of the
// one with the given hostname.
func (r resolver) ready(service *corev1.Service, hostname string) ([]string, error) {
	selector := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name})
	found, err := r.endpoints.EndpointSlices(service.Namespace).List(selector)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, slice := range found {
		for _, endpoint := range slice.Endpoints {
			ready := service.Spec.PublishNotReadyAddresses ||
				endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			meant := hostname == "" || endpoint.Hostname != nil && *endpoint.Hostname == hostname
			if ready && meant {
				addresses = append(addresses, endpoint.Addresses...)
			}
		}
	}
	if len(addresses) == 0 {
		return nil, errNoSuchName
	}
	return addresses, nil
}
