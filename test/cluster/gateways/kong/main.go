// Kong's ingress controller as far as its translator: objects of a cluster in, the declarative configuration that it would
// give to its gateway out. It is built as a package of the controller's own module.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"github.com/kong/go-database-reconciler/pkg/file"
	"github.com/kong/go-kong/kong"

	dpconf "github.com/kong/kubernetes-ingress-controller/v3/internal/dataplane/config"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/dataplane/deckgen"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/dataplane/translator"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/manager/consts"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/manager/featuregates"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/store"
)

type input struct {
	// Class is that of the Ingresses that this controller serves.
	Class string `json:"class"`
	// Objects are what its caches would hold.
	Objects []json.RawMessage `json:"objects"`
}

type output struct {
	Configuration *file.Content `json:"configuration"`
	// Failures are what it would tell owners in events.
	Failures []string `json:"failures"`
}

func main() {
	if err := translate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func translate() error {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	objects := make([][]byte, 0, len(in.Objects))
	for _, object := range in.Objects {
		objects = append(objects, object)
	}
	stores, err := store.NewCacheStoresFromObjYAML(objects...)
	if err != nil {
		return err
	}
	logger := logr.Discard()
	flags := translator.NewFeatureFlags(
		featuregates.GetFeatureGatesDefaults(),
		dpconf.RouterFlavorTraditionalCompatible,
		false,
		false,
		false,
	)
	its, err := translator.NewTranslator(
		logger,
		store.New(stores, in.Class, logger),
		"",
		flags,
		withoutGateway{},
		consts.DefaultClusterDomain,
	)
	if err != nil {
		return err
	}
	built := its.BuildKongConfig()
	out := output{Failures: []string{}}
	for _, failure := range built.TranslationFailures {
		out.Failures = append(out.Failures, failure.Message())
	}
	out.Configuration = deckgen.ToDeckContent(
		context.Background(),
		logger,
		built.KongState,
		deckgen.GenerateDeckContentParams{PluginSchemas: withoutGateway{}},
	)
	return json.NewEncoder(os.Stdout).Encode(out)
}

// withoutGateway stands where the controller asks its gateway for schemas, by which it adds what configuration leaves out:
// nothing is added here, so that what comes out is what went in.
type withoutGateway struct{}

func (withoutGateway) GetSchemaService() kong.AbstractSchemaService {
	return translator.UnavailableSchemaService{}
}

func (withoutGateway) Schema(context.Context, string) (map[string]interface{}, error) {
	return map[string]interface{}{"fields": []interface{}{}}, nil
}
