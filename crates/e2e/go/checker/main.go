// Command checker is a Go host that loads a plugin as the controller does.
package main

import (
	_ "github.com/hashicorp/go-hclog"
	_ "github.com/hashicorp/go-plugin"
)

func main() {}
