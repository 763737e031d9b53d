"""What every plugin must pass, short trainings on toys among it: the tests run it over the registry."""
