"""Pure decisions of the control plane: no input or output, no clock, no framework."""
