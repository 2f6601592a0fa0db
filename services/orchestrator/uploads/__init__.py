"""Songs, as the upload service told of them."""
