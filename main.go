// Scimbridge turns SCIM group membership into roles at VirusTotal and LogicGate Risk Cloud.
package main

import (
	"os"

	"github.com/scimbridge/scimbridge/scim/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
