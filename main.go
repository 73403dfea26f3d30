// Scimbridge turns SCIM group membership into roles at VirusTotal and LogicGate Risk Cloud.
package main

import (
	"os"

	"github.com/scimbridge/scimbridge/scim/bridge"
)

func main() { os.Exit(bridge.Main(os.Args[1:], os.Stdout, os.Stderr)) }
