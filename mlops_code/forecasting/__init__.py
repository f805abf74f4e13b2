"""Pure forecasting: no Azure, no network, no environment, no clock, no random source."""
