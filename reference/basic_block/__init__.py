"""Apply one residual block to a feature map: contract, reference, misconceptions."""
