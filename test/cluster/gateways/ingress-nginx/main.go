// ingress-nginx as far as its configuration: a list of a cluster's objects in, and what its controller would write for NGINX
// out. It is built as a package of the controller's own module.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"k8s.io/ingress-nginx/internal/ingress/controller"
)

type input struct {
	// ConfigMap is the controller's, as NAMESPACE/NAME.
	ConfigMap string            `json:"configMap"`
	Objects   []json.RawMessage `json:"objects"`
}

func main() {
	if err := render(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func render(template string) error {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	var objects []runtime.Object
	for _, each := range in.Objects {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(each, nil, nil)
		if err != nil {
			return err
		}
		objects = append(objects, object)
	}
	rendering, err := controller.Render(fake.NewSimpleClientset(objects...), in.ConfigMap, template)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(rendering)
}
