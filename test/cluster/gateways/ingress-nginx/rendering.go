package controller

import (
	"os"
	"path/filepath"
	"time"

	"github.com/eapache/channels"
	"k8s.io/apimachinery/pkg/labels"
	clientset "k8s.io/client-go/kubernetes"

	"k8s.io/ingress-nginx/internal/ingress/annotations/opentelemetry"
	ngx_config "k8s.io/ingress-nginx/internal/ingress/controller/config"
	"k8s.io/ingress-nginx/internal/ingress/controller/ingressclass"
	"k8s.io/ingress-nginx/internal/ingress/controller/store"
	ngx_template "k8s.io/ingress-nginx/internal/ingress/controller/template"
	"k8s.io/ingress-nginx/internal/ingress/metric"
	"k8s.io/ingress-nginx/pkg/apis/ingress"
)

// Rendering is what the controller would have NGINX and its OpenTelemetry module run with.
type Rendering struct {
	NGINX  string `json:"nginx"`
	Module string `json:"module"`
	// Ingresses are what their annotations are read as, by NAMESPACE/NAME.
	Ingresses map[string]opentelemetry.Config `json:"ingresses"`
}

// Render does as syncIngress does, but for starting NGINX.
func Render(client clientset.Interface, configMap, template string) (*Rendering, error) {
	its := store.New(
		"",
		labels.Everything(),
		configMap,
		"",
		"",
		"",
		time.Hour,
		client,
		channels.NewRingChannel(1024),
		false,
		true,
		&ingressclass.Configuration{Controller: "k8s.io/ingress-nginx", AnnotationValue: "nginx"},
		true,
	)
	stop := make(chan struct{})
	defer close(stop)
	its.Run(stop)
	parsed, err := ngx_template.NewTemplate(template)
	if err != nil {
		return nil, err
	}
	n := &NGINXController{
		store: its,
		t:     parsed,
		// It counts Ingresses whose Service has no endpoints.
		metricCollector: metric.DummyCollector{},
		cfg: &Configuration{
			FakeCertificate: &ingress.SSLCert{PemFileName: "default.pem"},
			ListenPorts:     &ngx_config.ListenPorts{HTTP: 80, HTTPS: 443, Health: 10254, Default: 8181},
		},
	}
	ingresses := its.ListIngresses()
	rendering := &Rendering{Ingresses: map[string]opentelemetry.Config{}}
	for _, each := range ingresses {
		rendering.Ingresses[each.Namespace+"/"+each.Name] = each.ParsedAnnotations.Opentelemetry
	}
	_, _, configuration := n.getConfiguration(ingresses)
	config := its.GetBackendConfiguration()
	nginx, err := n.generateTemplate(config, *configuration)
	if err != nil {
		return nil, err
	}
	rendering.NGINX = string(nginx)
	// It writes to where it is told.
	folder, err := os.MkdirTemp("", "rendering-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	config.OpentelemetryConfig = filepath.Join(folder, "opentelemetry.toml")
	if err := createOpentelemetryCfg(&config); err != nil {
		return nil, err
	}
	module, err := os.ReadFile(config.OpentelemetryConfig)
	rendering.Module = string(module)
	return rendering, err
}
