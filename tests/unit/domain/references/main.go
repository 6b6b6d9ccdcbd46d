// Generates references.json: references as distribution/reference reads them.
//
//	cd tests/unit/domain/references && go run . > ../references.json
package main

import (
	"encoding/json"
	"os"
	"strings"

	_ "crypto/sha256"

	"github.com/distribution/reference"
)

type parsed struct {
	Reference string `json:"reference"`
	Name      string `json:"name,omitempty"` // empty: an error
	Tag       string `json:"tag,omitempty"`
	Digest    string `json:"digest,omitempty"`
}

func parse(text string) parsed {
	result := parsed{Reference: text}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return result
	}
	result.Name = named.Name()
	if tagged, ok := named.(reference.Tagged); ok {
		result.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		result.Digest = digested.Digest().String()
	}
	return result
}

func main() {
	hex := strings.Repeat("0a", 32)
	registries := []string{
		"", "/", "evil/", "EVIL/", "Evil/", "docker.io/", "DOCKER.IO/", "index.docker.io/", "Index.docker.io/",
		"localhost/", "LOCALHOST/", "localhost:5000/", "a:5000/", "a:/", "A.b/", "a_b/", "a-/", "-a/", "a.-b/",
		"1.2.3.4/", "[::1]/", "[::1]:5000/", "[fe80::1%eth0]/", "a..b/", "a.b/C/", "a.b/c/", "library/", "EVIL/library/",
	}
	paths := []string{
		"docker", "Docker", "library/docker", "a__b", "a___b", "a._b", "a--b", "-a", "a-", "a//b", "a/", "", ".", "a..b",
		"a/b/c", hex, "sha256", "docker\n",
	}
	suffixes := []string{
		"", ":28-dind", ":", ":" + hex, ":-a", ":_a", ":a:b", ":A.b", ":a b", ":a\n", ":" + strings.Repeat("t", 129),
		"@sha256:" + hex, ":28@sha256:" + hex, "@sha256:" + strings.ToUpper(hex), "@sha256:0a", "@" + hex, "@",
	}
	all := []parsed{}
	for _, registry := range registries {
		for _, path := range paths {
			all = append(all, parse(registry+path))
		}
		for _, suffix := range suffixes {
			all = append(all, parse(registry+"docker"+suffix))
		}
	}
	for _, suffix := range suffixes {
		all = append(all, parse("a.b:5000/c/d"+suffix))
	}
	for _, length := range []int{247, 248, 255, 256} {
		all = append(all, parse(strings.Repeat("a", length)), parse("a.b/"+strings.Repeat("a", length)))
	}
	seen := map[string]bool{}
	os.Stdout.WriteString("[\n")
	for _, each := range all {
		if seen[each.Reference] {
			continue
		}
		if len(seen) > 0 {
			os.Stdout.WriteString(",\n")
		}
		seen[each.Reference] = true
		line, err := json.Marshal(each)
		if err != nil {
			panic(err)
		}
		os.Stdout.Write(line)
	}
	os.Stdout.WriteString("\n]\n")
}
